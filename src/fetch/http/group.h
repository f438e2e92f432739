// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <optional>

#include "base/deadline.h"
#include "fetch/http/retry.h"

namespace photovec::fetch {

/// What is known of one bucket or host: how much it is given at a time, how long it takes, how often it
/// failed. Used by the fetch thread alone.
class Group {
 public:
  /// \param cap the most attempts at a time.
  explicit Group(int cap) : cap_(cap), limit_(cap < kFirstLimit ? cap : kFirstLimit) {}

  /// Whether another attempt may start. A cold bucket gets 32 at a time, one more for every success, half as
  /// many when it says that it is too much (additive increase, multiplicative decrease): stores spread a
  /// bucket over more machines only gradually.
  bool HasRoom() const { return active_ < limit_; }
  void OnStart() { ++active_; }
  void OnEnd() { --active_; }
  int limit() const { return limit_; }

  void OnSuccess(Clock::duration took, bool after_retry);
  void OnThrottled() { limit_ = limit_ > 1 ? limit_ / 2 : 1; }

  /// From when on an attempt is slow enough for a second one beside it: the p95 of the last 256 successes;
  /// nullopt before the first 100. Source: Dean and Barroso, The Tail at Scale (2013).
  std::optional<Clock::duration> HedgeAfter() const { return hedge_after_; }
  /// True when a hedge is within the 2% that they may add to the requests; it is then counted.
  bool TakeHedge();

  RetryBudget budget;

 private:
  static constexpr int kFirstLimit = 32;
  static constexpr size_t kWindow = 256;
  static constexpr size_t kFewest = 100;
  void Recompute();

  const int cap_;
  int limit_;
  int active_ = 0;
  std::array<Clock::duration, kWindow> took_{};
  size_t successes_ = 0;
  double hedges_ = 0;  // that may be sent now
  std::optional<Clock::duration> hedge_after_;
};

}  // namespace photovec::fetch
