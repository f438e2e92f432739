// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/deadline.h"
#include "base/fair_queue.h"
#include "base/slot_pool.h"
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

/// One decoded image that waits for a stream. Owns its slot; keeps its client alive.
struct Ready {
  SlotRef slot;
  std::shared_ptr<Client> client;
  Lane lane = Lane::kInteractive;  ///< set by Push
};

/// How long after the last interactive item batches still keep themselves short for the next one.
inline constexpr Clock::duration kInteractiveMemory = std::chrono::seconds(2);

/// What a stream would take at a time.
struct BatchLimit {
  int items = 1;  ///< at most
  /// Of the bulk lane, while the other lane is in use: whoever comes next waits for the running batch.
  int bulk = 1;
};

/// Greedy, fair batching: a free stream takes what is ready, up to its limit, at once; nobody waits for a
/// timer while a stream is idle. In the order of base/fair_queue.h. Bounded by the slot pool:
/// there are never more items than slots. Thread-safe.
class Batcher {
 public:
  /// \param max_wait how long Take may wait for more after the first item (0: not at all, the default).
  explicit Batcher(Clock::duration max_wait = {}) : max_wait_(max_wait) {}

  void Push(const Turn& turn, Ready item);
  /// Blocks until something is ready; appends 1..limit.items items to `out` (cleared first). Items no longer
  /// wanted are dropped on the way. False when closed and empty. `block` false: returns at once, true with
  /// `out` empty when nothing is ready.
  bool Take(const BatchLimit& limit, bool block, std::vector<Ready>& out);
  /// No more pushes; what is inside is still taken.
  void Close();
  size_t depth() const;  ///< items waiting now

 private:
  const Clock::duration max_wait_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  FairQueue<Ready> queue_;
  TimePoint last_interactive_;
  bool closed_ = false;
};

}  // namespace photovec::batch
