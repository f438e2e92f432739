// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>

#include "base/clock.h"

namespace photovec::pipeline {

/// How much work a stage does in a second when it has enough of it: what was done over the time that it was
/// busy, both fading over some seconds. Idle time says nothing about speed and is left out. Not thread-safe;
/// moments must not go back.
class RateMeter {
 public:
  /// \param first what to assume until something was measured, per second; 0: unknown.
  explicit RateMeter(double first = 0) : first_(first) {}

  /// `work` was done.
  /// \param busy whether more of it waits from now on.
  void OnDone(double work, bool busy, TimePoint now) {
    if (busy_) {
      const double seconds = std::max(0.0, Seconds(now - at_));
      const double fade = std::exp(-seconds / kFadeSeconds);
      work_ = work_ * fade + work;
      seconds_ = seconds_ * fade + seconds;
    }
    busy_ = busy;
    at_ = now;
  }
  /// Something came: from now on there is more than enough to do.
  void OnBusy(TimePoint now) {
    if (busy_) return;
    busy_ = true;
    at_ = now;
  }

  /// Per second; 0: unknown. A stage that has stood still since what was done last is as slow as that.
  double PerSecond(TimePoint now) const {
    if (seconds_ < kEnoughSeconds) {
      if (first_ <= 0) return 0;
      // What is known so far, beside what was assumed.
      return (work_ + first_ * (kEnoughSeconds - seconds_)) / kEnoughSeconds;
    }
    const double still = busy_ ? std::max(0.0, Seconds(now - at_) - kPauseSeconds) : 0;
    return work_ / (seconds_ + still);
  }

 private:
  static constexpr double kFadeSeconds = 5;
  static constexpr double kEnoughSeconds = 0.5;  // of busy time, before the measured rate is believed
  static constexpr double kPauseSeconds = 0.5;   // between two batches of a slow model

  const double first_;
  double work_ = 0;
  double seconds_ = 0;
  bool busy_ = false;
  TimePoint at_{};
};

}  // namespace photovec::pipeline
