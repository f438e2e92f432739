// SPDX-License-Identifier: MIT
#pragma once

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
  /// Answers whoever waits with kCancelled; waits for a call under way.
  ~Refreshing();
  Refreshing(const Refreshing&) = delete;
  Refreshing& operator=(const Refreshing&) = delete;

  /// `done` runs at once when there is a value that has not ended, else on the thread here when there is one.
  /// After a failure callers get that error at once for a second, so that a dead endpoint is not hammered.
  void Get(Callback done);
  /// `refused` is not worth anything any more: the next Get waits for a new one. Nothing happens when it was
  /// replaced already.
  void Renew(const Value& refused);

 private:
  void Run();

  const Make make_;
  const Clock::duration ahead_;
  std::mutex mutex_;
  std::condition_variable wake_;
  Made current_;          // guarded by mutex_, as all below
  TimePoint renew_at_{};  // of current_
  Status failure_;        // of the last try
  TimePoint failure_until_{};
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
  if (current_.value == refused) current_ = {};
}

template <typename T>
void Refreshing<T>::Run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const bool due = current_.value != nullptr && Clock::now() >= renew_at_;
    if (waiting_.empty() && !due) {
      if (current_.value == nullptr || renew_at_ == TimePoint::max()) {
        wake_.wait(lock);
      } else {
        wake_.wait_until(lock, renew_at_);
      }
      continue;
    }
    lock.unlock();
    Result<Made> made = make_();
    lock.lock();
    const TimePoint now = Clock::now();
    if (made.ok()) {
      current_ = std::move(*made);
      failure_ = Status::Ok();
      const auto life = current_.expires - now;
      renew_at_ = current_.expires == TimePoint::max() ? TimePoint::max()
                                                       : now + std::max(life - ahead_, life * 3 / 4);
    } else {
      failure_ = made.status();
      failure_until_ = now + std::chrono::seconds(1);
      renew_at_ = now + std::chrono::seconds(10);  // the old value may still be good
    }
    std::vector<Callback> waiting;
    waiting.swap(waiting_);
    const Value value = current_.value != nullptr && now < current_.expires ? current_.value : nullptr;
    const Status failure = failure_;
    lock.unlock();
    for (const Callback& done : waiting)
      done(value != nullptr ? Result<Value>(value) : Result<Value>(failure));
    lock.lock();
  }
}

}  // namespace photovec::fetch
