// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/deadline.h"
#include "base/fair_queue.h"
#include "base/result.h"
#include "base/stage_times.h"
#include "pipeline/bookings.h"
#include "pipeline/fair_load.h"
#include "pipeline/rate_meter.h"

namespace photovec::pipeline {

/// What there is more of in a request is bulk, whatever it asks for. Some eight texts take as long as one
/// image.
inline constexpr int kMostInteractiveImages = 8;
inline constexpr int kMostInteractiveTexts = 64;
constexpr int MostInteractive(ItemKind kind) {
  return kind == ItemKind::kText ? kMostInteractiveTexts : kMostInteractiveImages;
}

struct AdmissionOptions {
  /// How long the first image of a request may wait before it is served, by lane; infinite: never refused.
  std::array<Clock::duration, kLaneCount> max_wait = {Clock::duration::max(), Clock::duration::max()};
};

/// What is known of a model before anything was measured, of its images or of its texts.
struct AdmissionModel {
  double first_rate = 0;  ///< items per second; 0: unknown, and everything is admitted until it is known
  int decoders = 1;       ///< or tokenizers; with more items than these and streams there is a queue
  int streams = 1;
  int fetch_ahead = 64;  ///< references that are fetched at a time
};

/// What a request asks for.
struct AdmissionAsk {
  int model = 0;
  Lane lane = Lane::kInteractive;  ///< bulk: it asks to be; one of many items is so in any case
  uint64_t client = 0;             ///< whose: fairness is between clients
  int images = 1;                  ///< how many, as far as anybody can tell
  int texts = 0;                   ///< how many
  bool by_reference = false;       ///< the images are to be fetched
  Deadline deadline;
  uint64_t retry_key = 0;  ///< the same when the same client sends the same request again
};

/// Why a request is not taken, and when it may come again.
struct Refusal {
  enum class Reason : uint8_t { kQueueTime, kDeadline };
  Status status;  ///< kOverloaded
  Reason reason = Reason::kQueueTime;
  int retry_after_s = 1;
};

/// What one item stands for in the sums; kept by it.
struct Charge {
  Turn turn;  ///< its flow is the request's part that it belongs to
  double work = 0;
  bool fetching = false;
  bool apart = false;  ///< a big photo: others do not wait for it
};

/// How an item ended, for what is learnt of it.
struct Served {
  bool served = false;    ///< it was worked on, or found in the cache: not cancelled or dropped
  double decode_us = -1;  ///< of a decoder, or a tokenizer; -1: none took it
  double encode_us = -1;  ///< of a stream, for the whole batch
  int batch_size = 1;
  uint64_t bytes = 0;
};

class Admission;

/// The place of one admitted request in the sums of Admission: it has a part for its images and one for its
/// texts. Destroyed when the request is answered, or when it never came to be. Thread-safe.
class Ticket {
 public:
  Ticket(std::shared_ptr<Admission> admission, int model) : admission_(std::move(admission)), model_(model) {}
  ~Ticket();
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;

  int model() const { return model_; }
  /// What an item needs from a decoder or tokenizer, or from a stream, to its vector without any wait; zero
  /// while unknown. Lock-free.
  Clock::duration RestFromDecode(ItemKind kind) const;
  Clock::duration RestFromEncode(ItemKind kind) const;
  /// An item came; the result goes with it.
  Charge Add(ItemKind kind, uint64_t bytes, bool by_reference, TimePoint now = Clock::now());
  /// So many images are still to come, as far as anybody can tell now. What turns out to be small before it
  /// began goes by the interactive lane, unless it asked to be bulk.
  void Expect(double images);
  /// One of the items came, but failed before it was one.
  void Skip();
  /// No more items.
  void Finish();
  void OnFetched(Charge& charge, uint64_t bytes, TimePoint now = Clock::now());
  /// An item waits apart from the others from now on (DecodeStage), so it leaves the sums and says nothing of
  /// how fast the others go.
  void OnBig(Charge& charge, TimePoint now = Clock::now());
  /// A decoder or tokenizer took an item.
  void OnStarted(const Charge& charge);
  void OnEnded(const Charge& charge, const Served& served, TimePoint now = Clock::now());
  /// The client went away before it had its answer.
  void OnLeft(TimePoint now = Clock::now());

 private:
  friend class Admission;
  const std::shared_ptr<Admission> admission_;
  const int model_;
  std::array<uint64_t, kItemKindCount> parts_{};  // by kind, 0: none; Admission's lock
};

/// What the gauges show of a model's lane, of one kind.
struct LaneState {
  double wait_s = 0;      ///< until all of it is done
  double max_wait_s = 0;  ///< what is admitted now, shorter when clients leave earlier; 0: no limit
  double items = 0;       ///< that wait or are in work, announced ones with them
  int waiting = 0;        ///< requests of which no item is in work yet
  int running = 0;        ///< the others
};
struct ModelState {
  std::array<LaneState, kLaneCount> lanes;
  double items_per_second = 0;  ///< when there is enough to do; 0: not known yet
};

/// Decides whether a request can be served in time, before it costs anything: what waits before it over the
/// measured rate of the stage that is the wall. docs/overload.md has the formula and its reasons. It also
/// gives each request its place in the queues: clients take turns by the work that they bring (start-time
/// fair queueing, Goyal et al., SIGCOMM 1996). Images and texts wait in different queues and are judged
/// apart: a text is not refused because photos wait. Never blocks for longer than a few table lookups;
/// thread-safe.
class Admission : public std::enable_shared_from_this<Admission> {
 public:
  explicit Admission(AdmissionOptions options);
  ~Admission();
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;
  /// Before the first request, in the order of the pipeline's models.
  void AddModel(AdmissionModel images, AdmissionModel texts = {});

  /// A ticket, or why there is none.
  Result<std::shared_ptr<Ticket>, Refusal> Ask(const AdmissionAsk& ask, TimePoint now = Clock::now());
  /// A ticket for work that is never refused.
  std::shared_ptr<Ticket> Enter(const AdmissionAsk& ask, TimePoint now = Clock::now());
  /// Seconds after which a request that another limit refused may come again.
  int RetryAfter(const AdmissionAsk& ask, TimePoint now = Clock::now());
  ModelState State(int model, ItemKind kind, TimePoint now = Clock::now());

 private:
  friend class Ticket;

  struct Model;
  /// What is asked for of one kind.
  struct Share {
    int model = 0;
    ItemKind kind = ItemKind::kImage;
    int items = 0;
    Lane lane = Lane::kInteractive;
    bool by_reference = false;
  };
  /// A request's part of one kind.
  struct Part {
    int model = 0;
    ItemKind kind = ItemKind::kImage;
    Lane lane = Lane::kInteractive;
    uint64_t client = 0;
    double rank = 0;
    double announced = 0;  // items that are said to come
    int added = 0;
    bool asked_bulk = false;
    bool running = false;
    bool left = false;
    TimePoint opened;
  };
  struct LaneClient {
    double finish = 0;  // the rank that its next request gets at the least
    int requests = 0;
  };
  struct LaneOrder {
    double now = 0;  // the highest rank in work
    std::unordered_map<uint64_t, LaneClient> clients;
  };

  static Share ShareOf(const AdmissionAsk& ask, ItemKind kind);
  static std::vector<Share> SharesOf(const AdmissionAsk& ask);
  Model& ModelAt(int model, ItemKind kind) {
    return *models_[static_cast<size_t>(model)][static_cast<size_t>(kind)];
  }
  Model& ModelOf(const Share& share) { return ModelAt(share.model, share.kind); }
  Model& ModelOf(const Part& part) { return ModelAt(part.model, part.kind); }
  LaneOrder& OrderOf(ItemKind kind, Lane lane) {
    return order_[static_cast<size_t>(kind)][static_cast<size_t>(lane)];
  }
  /// What there is too much of the wait, in seconds, and why; not positive: nothing.
  std::pair<double, Refusal::Reason> Judge(const Share& share, const AdmissionAsk& ask, TimePoint now);
  std::shared_ptr<Ticket> Open(const AdmissionAsk& ask, TimePoint now);
  Part& OpenPart(Ticket& ticket, const Share& share, const AdmissionAsk& ask, TimePoint now);
  Part& PartOf(Ticket& ticket, ItemKind kind, TimePoint now);
  void Rank(Part& part, double items);
  void Unrank(const Part& part);
  void Announce(Part& part, double items);
  void ForgetSilent(TimePoint now);
  void Move(Part& part, Lane lane);
  static double RatePerSecond(const Model& model, Lane lane, TimePoint now);
  static double WaitSeconds(const Model& model, const Share& share, uint64_t client, TimePoint now);
  int Book(const Share& share, uint64_t key, double excess, TimePoint now);
  double Patience(Model& model, Lane lane, TimePoint now) const;
  void LearnPatience(Model& model, const Part& part, TimePoint now);
  template <typename Do>
  void ForParts(const Ticket& ticket, Do work) {
    for (const uint64_t id : ticket.parts_) {
      if (id != 0) work(parts_.at(id));
    }
  }

  // For tickets.
  Charge Add(Ticket& ticket, ItemKind kind, uint64_t bytes, bool by_reference, TimePoint now);
  void Expect(Ticket& ticket, double images);
  void Skip(Ticket& ticket);
  void Finish(Ticket& ticket);
  void OnFetched(Charge& charge, uint64_t bytes, TimePoint now);
  void OnBig(Charge& charge, TimePoint now);
  void OnStarted(const Charge& charge);
  void OnEnded(const Charge& charge, const Served& served, TimePoint now);
  void OnLeft(Ticket& ticket, TimePoint now);
  void Close(Ticket& ticket);

  const AdmissionOptions options_;
  mutable std::mutex mutex_;
  std::vector<std::array<std::unique_ptr<Model>, kItemKindCount>> models_;
  std::unordered_map<uint64_t, Part> parts_;
  std::array<std::array<LaneOrder, kLaneCount>, kItemKindCount>
      order_;                                             // tokenizers and decoders are different queues
  std::deque<std::pair<TimePoint, uint64_t>> announced_;  // parts, by when their promises run out
  uint64_t last_id_ = 0;
};

}  // namespace photovec::pipeline
