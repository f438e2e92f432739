// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/deadline.h"
#include "base/result.h"
#include "base/thread_pool.h"

namespace photovec::fetch {

/// A value that expires and is made anew by a call over the network: an access token, temporary keys. Made on
/// first use and then renewed ahead of its end, on a thread of its own, so that nobody waits once it is warm.
/// Thread-safe.
template <typename T>
class Refreshing {
 public:
  using Value = std::shared_ptr<const T>;
  /// A value and when it ends; TimePoint::max(): never.
  struct Made {
    Value value;
    TimePoint expires = TimePoint::max();
  };
  using Make = std::function<Result<Made>()>;  ///< may block for seconds; called by one thread at a time
  using Callback = std::function<void(Result<Value>)>;

  /// \param ahead renew this long before the end (of short-lived values: after three quarters of their life).
  Refreshing(std::string thread_name, Make make, Clock::duration ahead = std::chrono::minutes(5));
  /// Answers whoever waits with kCancelled; waits for a call under way. Not from a callback.
  ~Refreshing();
  Refreshing(const Refreshing&) = delete;
  Refreshing& operator=(const Refreshing&) = delete;

  /// `done` runs at once when there is a value that has not ended, else on the thread here when there is one.
  /// After a failure callers get that error at once for a second, so that a dead endpoint is not hammered.
  void Get(Callback done);
  /// `refused` is not worth anything any more: the next Get waits for a new one. Nothing happens when it was
  /// replaced already, nor when it replaced another refused one less than a second ago: whoever refuses every
  /// value must not make this ask for a new one each time.
  void Renew(const Value& refused);

 private:
  static constexpr Clock::duration kPause = std::chrono::seconds(1);
  static constexpr Clock::duration kRetryRenewal = std::chrono::seconds(10);

  void Run();
  void Wait(std::unique_lock<std::mutex>& lock);
  void Keep(Result<Made> made);

  const Make make_;
  const Clock::duration ahead_;
  std::mutex mutex_;
  std::condition_variable wake_;
  Made current_;          // guarded by mutex_, as all below
  TimePoint renew_at_{};  // of current_
  Status failure_;        // of the last try
  TimePoint failure_until_{};
  TimePoint no_renewal_until_{};  // by Renew()
  std::vector<Callback> waiting_;
  bool stopping_ = false;
  std::thread thread_;
};

template <typename T>
Refreshing<T>::Refreshing(std::string thread_name, Make make, Clock::duration ahead)
    : make_(std::move(make)), ahead_(ahead), thread_([this, name = std::move(thread_name)] {
        SetThreadName(name);
        Run();
      }) {}

template <typename T>
Refreshing<T>::~Refreshing() {
  {
    std::scoped_lock lock(mutex_);
    stopping_ = true;
    wake_.notify_all();
  }
  thread_.join();
  for (const Callback& done : waiting_) done(Status(Code::kCancelled, "the server is shutting down"));
}

template <typename T>
void Refreshing<T>::Get(Callback done) {
  Value value;
  Status failure;
  {
    std::scoped_lock lock(mutex_);
    const TimePoint now = Clock::now();
    if (current_.value != nullptr && now < current_.expires) {
      value = current_.value;
    } else if (!failure_.ok() && now < failure_until_) {
      failure = failure_;
    } else {
      waiting_.push_back(std::move(done));
      wake_.notify_all();
      return;
    }
  }
  done(value != nullptr ? Result<Value>(std::move(value)) : Result<Value>(std::move(failure)));
}

template <typename T>
void Refreshing<T>::Renew(const Value& refused) {
  std::scoped_lock lock(mutex_);
  if (refused == nullptr || current_.value != refused || Clock::now() < no_renewal_until_) return;
  current_ = {};
  no_renewal_until_ = Clock::now() + kPause;
}

template <typename T>
void Refreshing<T>::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    Wait(lock);
    if (stopping_) return;
    lock.unlock();
    Result<Made> made = make_();
    lock.lock();
    Keep(std::move(made));
    std::vector<Callback> waiting;
    waiting.swap(waiting_);
    const Result<Value> answer =
        current_.value != nullptr ? Result<Value>(current_.value) : Result<Value>(failure_);
    lock.unlock();
    for (const Callback& done : waiting) done(answer);
    waiting.clear();  // what they own goes before the lock is taken
    lock.lock();
  }
}

/// Until somebody waits for a value, or it is time to renew the one there is, or the end.
template <typename T>
void Refreshing<T>::Wait(std::unique_lock<std::mutex>& lock) {
  while (!stopping_ && waiting_.empty()) {
    if (current_.value == nullptr || renew_at_ == TimePoint::max()) {
      wake_.wait(lock);
      continue;
    }
    if (Clock::now() >= renew_at_) return;
    const TimePoint until = renew_at_;
    wake_.wait_until(lock, until);
  }
}

template <typename T>
void Refreshing<T>::Keep(Result<Made> made) {
  const TimePoint now = Clock::now();
  if (made.ok() && (made->value == nullptr || made->expires <= now)) {
    made = Status(Code::kSourceFailed, "the new credentials have ended already; check the clock");
  }
  if (made.ok()) {
    current_ = std::move(*made);
    failure_ = Status::Ok();
    renew_at_ = TimePoint::max();
    if (current_.expires == TimePoint::max()) return;
    // A second at least, whatever the endpoint says about the life of what it gives.
    const Clock::duration life = current_.expires - now;
    renew_at_ = now + std::max({life - ahead_, life * 3 / 4, kPause});
    return;
  }
  failure_ = made.status();
  failure_until_ = now + kPause;
  if (current_.value == nullptr) return;
  if (current_.expires <= now) {
    current_ = {};  // nobody needs a new one until somebody asks
    return;
  }
  // The old one is still good: try again in time, more often towards its end.
  renew_at_ = now + std::clamp((current_.expires - now) / 4, kPause, kRetryRenewal);
}

}  // namespace photovec::fetch
