// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>

namespace photovec {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;

/// Microseconds from `from` to `to`; negative when `to` is earlier.
inline int64_t MicrosBetween(TimePoint from, TimePoint to) {
  return std::chrono::duration_cast<std::chrono::microseconds>(to - from).count();
}
/// The monotonic clock as a number: comparable between the processes of one machine, and what request logs
/// hold.
inline int64_t MonotonicMicros(TimePoint at) {
  return std::chrono::duration_cast<std::chrono::microseconds>(at.time_since_epoch()).count();
}
inline int64_t NowMicros() { return MonotonicMicros(Clock::now()); }

/// CPU time used so far: user and system, of the calling thread, of this process with all its threads, and of
/// another process (nullopt when it is gone or not ours to ask). Thread-safe.
std::chrono::nanoseconds ThreadCpuTime();
std::chrono::nanoseconds ProcessCpuTime();
std::optional<std::chrono::nanoseconds> ProcessCpuTime(pid_t pid);

inline double Seconds(std::chrono::nanoseconds time) { return std::chrono::duration<double>(time).count(); }

}  // namespace photovec
