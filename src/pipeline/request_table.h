// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_map>
#include <utility>

#include "base/deadline.h"
#include "base/result.h"

namespace photovec::pipeline {

/// All requests in flight: who they are, when they expire, and whether everything is answered yet. Its own
/// thread runs `sweep` soon after a request was cancelled or its deadline passed, so that given-up images
/// leave the queues at once even when nothing else moves (and never on the thread that cancels).
/// Thread-safe.
class RequestTable {
 public:
  /// \param sweep ends every queued image that was given up; called with no lock held.
  explicit RequestTable(std::function<void()> sweep);
  ~RequestTable();
  RequestTable(const RequestTable&) = delete;
  RequestTable& operator=(const RequestTable&) = delete;

  /// A new request; the result is its id, which is also its flow in every queue.
  /// Errors: kUnavailable after Refuse().
  Result<uint64_t> Register(std::shared_ptr<CancelFlag> cancel, Deadline deadline);
  /// The request got its Finish(): from now on somebody waits for its answer.
  void OnFinish();
  /// The answer of a finished request was given.
  void Remove(uint64_t id);

  /// An image is about to enter; false after Stop(): it must end at once. Either way pair it with
  /// ItemEnded().
  bool ItemStarted();
  /// The image's result lies in its request, and the answer was given if it was the last.
  void ItemEnded();

  /// A request was cancelled: sweep soon.
  void Wake();
  /// No more Register().
  void Refuse();
  /// Blocks until no request is left. False when the deadline passed first.
  bool WaitUntilEmpty(Deadline deadline);
  /// Cancels every request, then blocks until no image is in flight and every finished request is answered.
  void CancelAll();
  /// Refuse(), no image enters any more, CancelAll(), joins the thread. Idempotent.
  void Stop();

  size_t size() const;

 private:
  struct Entry {
    std::shared_ptr<CancelFlag> cancel;
    Deadline deadline;
  };
  void Run();

  const std::function<void()> sweep_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;     // the sweeping thread waits here
  std::condition_variable changed_;  // WaitUntilEmpty and CancelAll wait here
  std::unordered_map<uint64_t, Entry> entries_;
  std::set<std::pair<TimePoint, uint64_t>> deadlines_;  // finite ones; erased when they fire or are answered
  uint64_t last_id_ = 0;
  size_t answers_owed_ = 0;
  bool sweep_wanted_ = false;
  bool refusing_ = false;
  bool quit_ = false;
  std::atomic<bool> stopped_{false};
  std::atomic<int64_t> items_{0};
  std::atomic<int> waiters_{0};  // CancelAll calls that want to hear of the last image
  std::thread thread_;
};

}  // namespace photovec::pipeline
