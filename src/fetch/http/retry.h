// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <string_view>

#include "base/deadline.h"

namespace photovec::fetch {

/// Tokens that retries cost, so that a source which is down gets at most a fraction more requests, not three
/// times as many. The numbers are those of the AWS SDKs' standard mode (2026): 500 tokens, 14 a retry; what a
/// retry cost comes back when it succeeds, and 1 for every success without one. Not thread-safe.
class RetryBudget {
 public:
  /// False when there are not enough left: give up now.
  bool Take() {
    if (tokens_ < kCost) return false;
    tokens_ -= kCost;
    return true;
  }
  void OnSuccess(bool after_retry) { tokens_ = std::min(kMost, tokens_ + (after_retry ? kCost : 1)); }
  int tokens() const { return tokens_; }

 private:
  static constexpr int kMost = 500;
  static constexpr int kCost = 14;
  int tokens_ = kMost;
};

/// How long to pause before attempt `next` (2, 3, ...): drawn evenly from [0, base * 2^(next-2)], at most 20
/// s ("full jitter": clients that failed together do not come back together).
template <typename Random>
Clock::duration Backoff(int next, Clock::duration base, Random& random) {
  constexpr Clock::duration kMost = std::chrono::seconds(20);
  const Clock::duration most = std::min(kMost, base * (int64_t{1} << std::clamp(next - 2, 0, 16)));
  std::uniform_int_distribution<int64_t> drawn(0, most.count());
  return Clock::duration(drawn(random));
}

/// The pause that a Retry-After header asks for (RFC 9110 §10.2.3): seconds, or an HTTP date of which `now`
/// is taken. nullopt when it is neither; never negative.
std::optional<std::chrono::seconds> ParseRetryAfter(std::string_view value,
                                                    std::chrono::system_clock::time_point now);

}  // namespace photovec::fetch
