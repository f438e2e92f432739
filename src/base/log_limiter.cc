// SPDX-License-Identifier: MIT
#include "base/log_limiter.h"

#include <algorithm>
#include <utility>

namespace photovec {

bool LogLimiter::Allow(std::string_view kind, int level, TimePoint now) {
  const auto [it, made] = kinds_.try_emplace(kind.data());
  Kind& known = it->second;
  if (made) {
    known.text = kind;
    known.filled_at = now;
  }
  known.level = level;
  const double seconds = std::chrono::duration<double>(now - known.filled_at).count();
  known.tokens = std::min(kBurst, known.tokens + std::max(0.0, seconds) * kPerSecond);
  known.filled_at = now;
  if (known.tokens >= 1) {
    known.tokens -= 1;
    return true;
  }
  if (known.suppressed++ == 0) known.first_suppressed_at = now;
  ++suppressed_;
  return false;
}

std::vector<LogLimiter::Summary> LogLimiter::TakeSummaries(TimePoint now, bool all) {
  std::vector<Summary> summaries;
  for (auto& [address, kind] : kinds_) {
    if (kind.suppressed == 0 || (!all && now - kind.first_suppressed_at < kSummaryEvery)) continue;
    summaries.push_back({kind.text, kind.level, std::exchange(kind.suppressed, 0)});
  }
  return summaries;
}

}  // namespace photovec
