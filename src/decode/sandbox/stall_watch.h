// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/deadline.h"

namespace photovec::decode {

/// Why a worker ended before its time.
enum class Death : uint32_t {
  kCrashed,    ///< a signal of its own making, or an unexpected exit
  kKilled,     ///< SIGKILL from outside: an operator, or the kernel short of memory
  kViolation,  ///< a forbidden system call
  kMemory,     ///< out of its address space
  kTimeout,    ///< asleep too long, though nobody keeps it from working; the server killed it
  kCpu,        ///< too much CPU; the server killed it
  kProtocol,   ///< it said something impossible; the server killed it
  kStopped,    ///< somebody stopped it (SIGSTOP); the server killed it, to start another
  kStarved,    ///< it got hardly any CPU, and time was up; the server killed it
  kCount,
};
std::string_view DeathName(Death death);
/// Whether it speaks against the image: what others did to the process does not.
bool SpeaksAgainstImage(Death death);

/// What a process does, as the kernel sees it.
enum class ProcessState : uint8_t {
  kRuns,     ///< computes, or would if it got a CPU
  kAsleep,   ///< waits for something that it asked for
  kBlocked,  ///< waits for the disk or for memory
  kStopped,  ///< by SIGSTOP or a debugger
  kUnknown,  ///< ended, or not ours to ask
};
/// Reads /proc; some 10 us. Thread-safe.
ProcessState ReadProcessState(int pid);
/// Whether a child of this process is stopped by a signal; below 1 us. Thread-safe.
bool IsStoppedChild(int pid);

struct AttemptLimits {
  /// Without the use of a CPU that it could have: asleep, or stopped while all others are stopped as well.
  Clock::duration wall = std::chrono::seconds(5);
  Clock::duration cpu = std::chrono::seconds(2);
  /// One worker alone that is stopped is given up sooner: others can do its work.
  Clock::duration stopped = std::chrono::seconds(1);
  /// In all, however busy the machine is. 2 s of CPU at 1/30 of one, which is what a process at nice 10 gets
  /// beside three others at nice 0.
  Clock::duration starved = std::chrono::seconds(60);
};

/// Judges one decode while it takes longer than a moment: CPU time and sleep are the image's, being stopped
/// or kept from the CPU is not. What it is told is all that it knows, so it can be tested without processes.
/// Time between two looks counts 0.2 s at most: a server that was itself stopped or frozen has seen nothing.
/// Not thread-safe.
class StallWatch {
 public:
  struct Look {
    TimePoint at;
    Clock::duration cpu{};  ///< that the worker used for this image so far
    ProcessState state = ProcessState::kRuns;
    bool all_stopped = false;  ///< no other worker could take the image
  };
  static constexpr std::chrono::milliseconds kLongestStep{200};

  /// \param deadline when nobody wants the image any more: a worker that does not get on is not waited for.
  StallWatch(const AttemptLimits& limits, Deadline deadline, TimePoint start)
      : limits_(limits), deadline_(deadline), start_(start), last_{start} {}

  /// Why the worker is to be killed now; nullopt: it may go on.
  std::optional<Death> Judge(const Look& look);

 private:
  AttemptLimits limits_;
  Deadline deadline_;
  TimePoint start_;
  Look last_;
  Clock::duration asleep_{};   // in all
  Clock::duration stopped_{};  // since it ran last
  Clock::duration watched_{};
};

}  // namespace photovec::decode
