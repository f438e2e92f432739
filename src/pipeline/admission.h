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
#include <vector>

#include "base/deadline.h"
#include "base/fair_queue.h"
#include "base/result.h"
#include "pipeline/bookings.h"
#include "pipeline/fair_load.h"
#include "pipeline/rate_meter.h"

namespace photovec::pipeline {

/// A request of more images is bulk, whatever it asks for.
inline constexpr int kMostInteractiveImages = 8;

struct AdmissionOptions {
  /// How long the first image of a request may wait before it is served, by lane; infinite: never refused.
  std::array<Clock::duration, kLaneCount> max_wait = {Clock::duration::max(), Clock::duration::max()};
};

/// What is known of a model before anything was measured.
struct AdmissionModel {
  double first_rate = 0;  ///< images per second; 0: unknown, and everything is admitted until it is known
  int decoders = 1;       ///< with more images than decoders and streams there is a queue
  int streams = 1;
  int fetch_ahead = 64;  ///< references that are fetched at a time
};

/// What a request asks for.
struct AdmissionAsk {
  int model = 0;
  Lane lane = Lane::kInteractive;  ///< bulk: it asks to be; one of many images is so in any case
  uint64_t client = 0;             ///< whose: fairness is between clients
  int images = 1;                  ///< how many, as far as anybody can tell
  bool by_reference = false;       ///< they are to be fetched
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

/// What one image stands for in the sums; kept by its item.
struct Charge {
  Turn turn;
  double work = 0;
  bool fetching = false;
};

/// How an image ended, for what is learnt of it.
struct Served {
  bool served = false;    ///< it was worked on, or found in the cache: not cancelled or dropped
  double decode_us = -1;  ///< of a decoder; -1: none took it
  double encode_us = -1;  ///< of a stream, for the whole batch
  int batch_size = 1;
  uint64_t bytes = 0;
};

class Admission;

/// The place of one admitted request in the sums of Admission. Destroyed when the request is answered, or
/// when it never came to be. Thread-safe.
class Ticket {
 public:
  Ticket(std::shared_ptr<Admission> admission, uint64_t id, int model)
      : admission_(std::move(admission)), id_(id), model_(model) {}
  ~Ticket();
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;

  int model() const { return model_; }
  /// What an image needs from a decoder, or from a stream, to its vector without any wait; zero while
  /// unknown. Lock-free.
  Clock::duration RestFromDecode() const;
  Clock::duration RestFromEncode() const;
  /// An image came; the result goes with it.
  Charge Add(uint64_t bytes, bool by_reference, TimePoint now = Clock::now());
  /// So many images are still to come, as far as anybody can tell now. What turns out to be small before it
  /// began goes by the interactive lane, unless it asked to be bulk.
  void Expect(double images);
  /// One of the images came, but failed before it was one.
  void Skip();
  /// No more images.
  void Finish();
  void OnFetched(Charge& charge, uint64_t bytes, TimePoint now = Clock::now());
  /// A decoder took an image.
  void OnStarted(const Charge& charge);
  void OnEnded(const Charge& charge, const Served& served, TimePoint now = Clock::now());
  /// The client went away before it had its answer.
  void OnLeft(TimePoint now = Clock::now());

 private:
  const std::shared_ptr<Admission> admission_;
  const uint64_t id_;
  const int model_;
};

/// What the gauges show of a model's lane.
struct LaneState {
  double wait_s = 0;      ///< until all of it is done
  double max_wait_s = 0;  ///< what is admitted now, shorter when clients leave earlier; 0: no limit
  double images = 0;      ///< that wait or are in work, announced ones with them
  int waiting = 0;        ///< requests of which no image is in work yet
  int running = 0;        ///< the others
};
struct ModelState {
  std::array<LaneState, kLaneCount> lanes;
  double images_per_second = 0;  ///< when there is enough to do; 0: not known yet
};

/// Decides whether a request can be served in time, before it costs anything: what waits before it over the
/// measured rate of the stage that is the wall. docs/overload.md has the formula and its reasons. It also
/// gives each request its place in the queues: clients take turns by the work that they bring (start-time
/// fair queueing, Goyal et al., SIGCOMM 1996). Never blocks for longer than a few table lookups; thread-safe.
class Admission : public std::enable_shared_from_this<Admission> {
 public:
  explicit Admission(AdmissionOptions options);
  ~Admission();
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;
  /// Before the first request, in the order of the pipeline's models.
  void AddModel(AdmissionModel model);

  /// A ticket, or why there is none.
  Result<std::shared_ptr<Ticket>, Refusal> Ask(const AdmissionAsk& ask, TimePoint now = Clock::now());
  /// A ticket for work that is never refused.
  std::shared_ptr<Ticket> Enter(const AdmissionAsk& ask, TimePoint now = Clock::now());
  /// Seconds after which a request that another limit refused may come again.
  int RetryAfter(const AdmissionAsk& ask, TimePoint now = Clock::now());
  ModelState State(int model, TimePoint now = Clock::now());

 private:
  friend class Ticket;

  struct Model;
  struct Request {
    int model = 0;
    Lane lane = Lane::kInteractive;
    uint64_t client = 0;
    double rank = 0;
    double announced = 0;  // images that are said to come
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

  std::shared_ptr<Ticket> Open(const AdmissionAsk& ask, TimePoint now);
  void Rank(Request& request, double images);
  void Unrank(const Request& request);
  void Announce(Request& request, double images);
  void ForgetSilent(TimePoint now);
  void Move(Request& request, Lane lane);
  static double RatePerSecond(const Model& model, Lane lane, TimePoint now);
  static double WaitSeconds(const Model& model, const AdmissionAsk& ask, TimePoint now);
  int Book(Model& model, const AdmissionAsk& ask, double excess, TimePoint now) const;
  double Patience(Model& model, Lane lane, TimePoint now) const;
  void LearnPatience(Model& model, const Request& request, TimePoint now);

  // For tickets.
  Charge Add(uint64_t id, uint64_t bytes, bool by_reference, TimePoint now);
  void Expect(uint64_t id, double images);
  void Skip(uint64_t id);
  void Finish(uint64_t id);
  void OnFetched(uint64_t id, Charge& charge, uint64_t bytes, TimePoint now);
  void OnStarted(uint64_t id, const Charge& charge);
  void OnEnded(uint64_t id, const Charge& charge, const Served& served, TimePoint now);
  void OnLeft(uint64_t id, TimePoint now);
  void Close(uint64_t id);

  const AdmissionOptions options_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Model>> models_;
  std::unordered_map<uint64_t, Request> requests_;
  std::array<LaneOrder, kLaneCount> order_;
  std::deque<std::pair<TimePoint, uint64_t>> announced_;  // requests, by when their promises run out
  uint64_t last_id_ = 0;
};

}  // namespace photovec::pipeline
