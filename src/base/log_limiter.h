// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"

namespace photovec {

/// Decides which lines of a flood are written: of each kind a burst, then a few a second; of the others only
/// their number, now and then. So 92,000 warnings a second, which one client can cause, become two. Its size
/// is the number of kinds, which is that of the places in the code that log. Not thread-safe.
class LogLimiter {
 public:
  static constexpr double kBurst = 20;
  static constexpr double kPerSecond = 2;
  static constexpr std::chrono::seconds kSummaryEvery{10};

  struct Summary {
    std::string_view kind;
    int level = 0;
    uint64_t suppressed = 0;  ///< lines since the last summary
  };

  /// Whether a line is written.
  /// \param kind a literal, known by its address, such as the format string.
  /// \param level comes back with the summary.
  bool Allow(std::string_view kind, int level, TimePoint now);
  /// What was suppressed and not told for kSummaryEvery; with `all` also what is younger.
  std::vector<Summary> TakeSummaries(TimePoint now, bool all = false);
  /// Lines suppressed so far.
  uint64_t suppressed() const { return suppressed_; }

 private:
  struct Kind {
    std::string_view text;
    int level = 0;
    double tokens = kBurst;
    TimePoint filled_at;
    uint64_t suppressed = 0;
    TimePoint first_suppressed_at;
  };

  std::unordered_map<const void*, Kind> kinds_;
  uint64_t suppressed_ = 0;
};

}  // namespace photovec
