// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "decode/sandbox/protocol.h"
#include "decode/sandbox/shared_region.h"
#include "decode/sandbox/worker_arguments.h"

namespace photovec::decode {

/// Why a worker ended before its time.
enum class Death : uint32_t {
  kCrashed,    ///< a signal of its own making, or an unexpected exit
  kKilled,     ///< SIGKILL from outside: an operator, or the kernel short of memory
  kViolation,  ///< a forbidden system call
  kMemory,     ///< out of its address space
  kTimeout,    ///< too long by the clock; the server killed it
  kCpu,        ///< too much CPU; the server killed it
  kProtocol,   ///< it said something impossible; the server killed it
  kCount,
};
std::string_view DeathName(Death death);

/// How one attempt at an image ended.
struct Attempt {
  bool answered = false;
  Result<DecodeReport> report = Status(Code::kInternal, "not attempted");  ///< when answered
  Death death = Death::kCrashed;                                           ///< when not
  std::string detail;     ///< for the log: the signal, the lie, ...
  Clock::duration cpu{};  ///< what the process used for it
};

struct WorkerStart {
  std::string program;
  WorkerArguments arguments;
  std::string fault;  ///< tests: see faults.h; empty: the environment is empty
  Clock::duration hello_limit = std::chrono::seconds(5);
};

struct AttemptLimits {
  Clock::duration wall = std::chrono::seconds(5);
  Clock::duration cpu = std::chrono::seconds(2);
};

/// One decoder process, seen from the server. Used by one thread at a time.
class WorkerProcess {
 public:
  /// Starts it (posix_spawn: forking a large server takes 37 ms) and waits until it is locked in. The calling
  /// thread must outlive the worker: the kernel's death signal follows the thread that started it.
  /// Errors: kUnavailable with what to do.
  static Result<std::unique_ptr<WorkerProcess>> Start(const WorkerStart& start);
  /// Kills and reaps it.
  ~WorkerProcess();
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  /// Decodes one image; blocks at most about limits.wall. When not answered, the process is dead and reaped.
  /// The image must fit: see input_capacity() and output_capacity().
  /// \param alone  no other image is being decoded: what counts is when this one is done (see
  /// cpu_handover.h).
  Attempt Run(const DecodeJob& job, const AttemptLimits& limits, bool alone);

  /// Whether the process has ended (without waiting or reaping).
  bool HasEnded() const;
  /// Reaps a worker that ended by itself. \return why it ended.
  Attempt Bury();
  uint64_t ResidentBytes() const;
  Clock::duration CpuTime() const;
  int64_t images() const { return images_; }
  int pid() const { return pid_; }
  const Hello& hello() const { return hello_; }
  size_t input_capacity() const { return region_.input().size(); }
  size_t output_capacity() const { return region_.output().size(); }

 private:
  explicit WorkerProcess(SharedRegion region) : region_(std::move(region)) {}
  Status Spawn(const WorkerStart& start);
  Status AwaitHello(Clock::duration limit);
  Attempt Await(const DecodeJob& job, const AttemptLimits& limits, TimePoint sent_at,
                Clock::duration cpu_before);
  Attempt Died(Death death, std::string detail);
  void KillAndReap();
  Attempt RunOnce(const DecodeJob& job, const AttemptLimits& limits, Clock::duration cpu_before, bool alone);

  SharedRegion region_;
  Hello hello_;
  int socket_ = -1;
  int pid_ = -1;
  int wait_status_ = 0;
  Clock::duration final_cpu_{};  // once reaped
  bool killed_by_us_ = false;
  uint64_t sequence_ = 0;
  int64_t images_ = 0;
};

}  // namespace photovec::decode
