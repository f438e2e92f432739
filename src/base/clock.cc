// SPDX-License-Identifier: MIT
#include "base/clock.h"

#include <ctime>

namespace photovec {
namespace {

std::optional<std::chrono::nanoseconds> Read(clockid_t clock) {
  timespec now{};
  if (clock_gettime(clock, &now) != 0) return std::nullopt;
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

}  // namespace

std::chrono::nanoseconds ThreadCpuTime() {
  return Read(CLOCK_THREAD_CPUTIME_ID).value_or(std::chrono::nanoseconds{});
}
std::chrono::nanoseconds ProcessCpuTime() {
  return Read(CLOCK_PROCESS_CPUTIME_ID).value_or(std::chrono::nanoseconds{});
}

std::optional<std::chrono::nanoseconds> ProcessCpuTime(pid_t pid) {
  clockid_t clock{};
  return clock_getcpuclockid(pid, &clock) == 0 ? Read(clock) : std::nullopt;
}

}  // namespace photovec
