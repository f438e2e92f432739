// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>

namespace photovec::experiment {

/// Microseconds of CLOCK_MONOTONIC: the clock of request logs, client samples and resource samples alike, so
/// that times of different processes can be put beside each other.
inline int64_t MonotonicMicros() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace photovec::experiment
