// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>

#include "base/clock.h"

namespace photovec {

/// A point in time after which work is pointless. The default never expires. Trivially copyable.
class Deadline {
 public:
  Deadline() = default;
  explicit Deadline(TimePoint at) : at_(at) {}
  static Deadline After(Clock::duration budget) { return Deadline(Clock::now() + budget); }

  bool infinite() const { return at_ == TimePoint::max(); }
  bool Expired() const { return !infinite() && Clock::now() >= at_; }
  TimePoint at() const { return at_; }

 private:
  TimePoint at_ = TimePoint::max();
};

/// Set once by whoever gives up (a client that went away, a server that drains); read at stage borders.
/// Thread-safe. Shared by all items of a request.
class CancelFlag {
 public:
  void Cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> cancelled_{false};
};

}  // namespace photovec
