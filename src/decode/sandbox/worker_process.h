// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "decode/sandbox/cpu_handover.h"
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
  Clock::duration cpu{};  ///< what the process used for it; of a dead one, for all of its images
};

struct WorkerStart {
  std::string program;
  WorkerArguments arguments;
  std::string fault;  ///< tests: see faults.h; empty: the environment is empty
  Clock::duration hello_limit = std::chrono::seconds(5);
};

/// Address space of a worker whose photo may take `bytes`: 1 GiB, or what a large one needs.
uint64_t AddressSpaceFor(int64_t bytes, const RegionLayout& layout);

/// One decoder process, seen from the server. Used by one thread at a time. It takes an image for each of its
/// kSeats and decodes them side by side.
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

  /// Copies an image, which must fit: see input_capacity() and output_capacity(), and is borrowed until it is
  /// answered or the process is dead, into a free seat. The worker hears of it with Send().
  void Load(const DecodeJob& job, const AttemptLimits& limits);
  /// Sends what was loaded.
  /// \param hand_over the CPU of this thread to the worker until it answers: for an image that is decoded while no
  ///                  other one is, when what counts is when it is done (cpu_handover.h).
  void Send(bool hand_over);
  /// The images that it has.
  int load() const;
  bool HasFreeSeat() const { return load() < kSeats; }
  /// Blocks until one image is answered or, as StallWatch says, the process has to die; at least one is with
  /// it. When not answered, the process is dead and reaped, and none of its images has an answer.
  /// \param all_stopped no worker could take the images instead; null: one could.
  /// \param job receives the image that was answered.
  Attempt Await(const std::atomic<bool>* all_stopped, const DecodeJob** job);

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
  size_t input_capacity() const { return region_.input(0).size(); }
  size_t output_capacity() const { return region_.output(0).size(); }

 private:
  explicit WorkerProcess(SharedRegion region) : region_(std::move(region)) {}
  Status Spawn(const WorkerStart& start);
  Status AwaitHello(Clock::duration limit);
  struct Seat {
    const DecodeJob* job = nullptr;  ///< null: nobody has it
    uint64_t sequence = 0;
    bool sent = false;
    TimePoint sent_at;
    AttemptLimits limits;
    std::optional<StallWatch> watch;
    Clock::duration cpu{};  ///< its share of what the process used
  };
  void Charge();
  Attempt Answered(std::span<const uint8_t> reply, const DecodeJob** job);
  std::optional<Death> Judge(const std::atomic<bool>* all_stopped);
  void LimitAddressSpace();
  Attempt Died(Death death, std::string detail);
  void KillAndReap();

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
  std::array<Seat, kSeats> seats_;
  Clock::duration charged_cpu_{};  // of the process, that was shared out among its images
  std::optional<CpuHandover> handover_;
};

}  // namespace photovec::decode
