// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/deadline.h"
#include "base/fair_queue.h"
#include "base/slot_pool.h"
#include "base/stage_times.h"
#include "base/status.h"

namespace photovec::batch {

/// A stream took an item into a batch.
struct Taken {
  TimePoint at;
  int stream = 0;
  int64_t batch = 0;  ///< number of the batch on this stream, from 0
  int size = 0;       ///< items in the batch
};

/// Whoever put an item into the batcher hears about it through this. Implemented by pipeline/'s items.
class Client {
 public:
  virtual ~Client() = default;
  /// False when the answer is no longer wanted (cancelled, deadline passed): the item is then dropped from
  /// the queue with OnDropped instead of being encoded.
  virtual bool StillWanted() const = 0;
  virtual void OnTaken(const Taken& taken) = 0;
  /// Exactly one of the next two is called, last, on a stream thread; must not block.
  /// \param embedding [D] f32, not normalised; valid during the call only.
  virtual void OnEncoded(const Status& status, std::span<const float> embedding, TimePoint at) = 0;
  virtual void OnDropped() = 0;
};

/// One decoded image, or one text, that waits for a stream. Owns its slot or its ids; keeps its client alive.
struct Ready {
  SlotRef slot;  ///< of an image; empty: a text
  std::shared_ptr<Client> client;
  std::vector<int32_t> ids = {};   ///< of a text, as encode::TokenIds wants them
  Lane lane = Lane::kInteractive;  ///< set by Push

  ItemKind kind() const { return slot ? ItemKind::kImage : ItemKind::kText; }
};

/// How long after the last interactive item batches still keep themselves short for the next one.
inline constexpr Clock::duration kInteractiveMemory = std::chrono::seconds(2);

/// What a stream would take of one kind at a time.
struct BatchLimit {
  int items = 0;  ///< at most; 0: the stream takes none of the kind
  /// So many while others may come that should not wait long: of the bulk lane while the other lane is in
  /// use, and of all images while texts come.
  int brief = 1;
  int tokens = std::numeric_limits<int>::max();  ///< of all its texts together
};

/// By kind: a batch is of images or of texts.
using BatchLimits = std::array<BatchLimit, kItemKindCount>;

/// Greedy, fair batching: a free stream takes what is ready, up to its limit, at once; nobody waits for a
/// timer while a stream is idle. Within a kind in the order of base/fair_queue.h. Texts go first, because
/// they are short, but while images wait, too, each batch of texts is followed by one of images on some
/// stream: neither starves. Images are bounded by the slot pool, texts by what the pipeline admits.
/// Thread-safe.
class Batcher {
 public:
  /// \param max_wait how long Take may wait for more images after the first (0: not at all, the default).
  explicit Batcher(Clock::duration max_wait = {}) : max_wait_(max_wait) {}

  void Push(const Turn& turn, Ready item);
  /// Blocks until something is ready that the stream takes; `out` (cleared first) gets 1 or more items of one
  /// kind, within its limit. Items no longer wanted are dropped on the way. False when closed and empty.
  /// `block` false: returns at once, true with `out` empty when nothing is ready.
  bool Take(const BatchLimits& most, bool block, std::vector<Ready>& out);
  /// No more pushes; what is inside is still taken.
  void Close();
  size_t depth(ItemKind kind) const;  ///< items waiting now

 private:
  using Queue = FairQueue<Ready>;
  Queue& Of(ItemKind kind) { return queues_[static_cast<size_t>(kind)]; }
  bool HasFor(const BatchLimits& most) const;
  ItemKind Choose(const BatchLimits& most);
  void Fill(ItemKind kind, const BatchLimit& most, std::vector<Ready>& out, std::vector<Ready>& dropped);
  void WakeFor(ItemKind kind);

  const Clock::duration max_wait_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;       // streams that take both kinds wait here,
  std::condition_variable text_ready_;  // those that take texts alone here
  std::array<Queue, kItemKindCount> queues_;
  std::array<TimePoint, kItemKindCount> last_interactive_{};
  bool images_next_ = false;  // texts went before them the last time
  bool closed_ = false;
};

}  // namespace photovec::batch
