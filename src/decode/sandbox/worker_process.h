// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "decode/sandbox/protocol.h"
#include "decode/sandbox/shared_region.h"
#include "decode/sandbox/stall_watch.h"
#include "decode/sandbox/worker_arguments.h"

namespace photovec::decode {

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

/// Address space of a worker whose photo may take `bytes`: 1 GiB, or what a large one needs.
uint64_t AddressSpaceFor(int64_t bytes, const RegionLayout& layout);

/// What a worker's attempt depends on besides the image.
struct Surroundings {
  bool alone =
      false;  ///< no other image is being decoded: what counts is when this one is done (cpu_handover.h)
  const std::atomic<bool>* all_stopped =
      nullptr;  ///< no worker could take the image instead; null: one could
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

  /// Decodes one image; blocks as long as StallWatch allows. When not answered, the process is dead and
  /// reaped. The image must fit: see input_capacity() and output_capacity().
  Attempt Run(const DecodeJob& job, const AttemptLimits& limits, const Surroundings& around);

  /// Whether the process has ended (without waiting or reaping).
  bool HasEnded() const;
  bool IsStopped() const { return pid_ >= 0 && IsStoppedChild(pid_); }
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
  void LimitAddressSpace(const DecodeJob& job);
  Attempt Await(const DecodeJob& job, const AttemptLimits& limits, TimePoint sent_at,
                Clock::duration cpu_before, const std::atomic<bool>* all_stopped);
  Attempt Died(Death death, std::string detail);
  void KillAndReap();
  Attempt RunOnce(const DecodeJob& job, const AttemptLimits& limits, Clock::duration cpu_before,
                  const Surroundings& around);

  SharedRegion region_;
  Hello hello_;
  uint64_t address_space_bytes_ = 0;  // that it may have now
  int socket_ = -1;
  int pid_ = -1;
  int wait_status_ = 0;
  Clock::duration final_cpu_{};  // once reaped
  bool killed_by_us_ = false;
  uint64_t sequence_ = 0;
  int64_t images_ = 0;
};

}  // namespace photovec::decode
