// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "decode/decoder.h"
#include "decode/formats/libraries.h"
#include "decode/sandbox/quarantine.h"
#include "decode/sandbox/respawn.h"
#include "decode/sandbox/worker_process.h"

namespace photovec::decode {

struct DecoderPoolOptions {
  int workers = 1;      ///< images decoded at the same time; one more process waits as a spare
  std::string program;  ///< path of photovec-decoder; empty: beside this program, or where it is installed
  Limits limits;        ///< the largest image that will come
  size_t max_slot_bytes = size_t{2048} * 2048 * 3;  ///< address space only
  AttemptLimits attempt;  ///< of a plain photo; more for those that promise more work
  int nice = 10;
  int64_t recycle_images = 10'000;
  uint64_t recycle_resident_bytes = 300ULL << 20;
  bool require_sandbox = false;  ///< refuse to start when a layer but namespaces is missing
  Clock::duration quarantine_term = std::chrono::hours(1);
  std::string fault;             ///< tests only, see faults.h
  bool name_violations = false;  ///< tests only
};

/// Figures since the start, for metrics.
struct DecoderPoolStats {
  std::array<int64_t, static_cast<size_t>(Death::kCount)> deaths{};
  int64_t restarts = 0;  ///< workers started beyond the first ones: after deaths and recycling
  int64_t violations = 0;
  int alive = 0;    ///< processes, the spare included
  int stopped = 0;  ///< of these, those that somebody stopped (SIGSTOP)
  int wanted = 0;   ///< workers without the spare
  size_t quarantined = 0;
  Clock::duration cpu{};  ///< that the processes used for images
};

/// Decoder processes: N that may work, and a warm spare. Starts them, keeps their number, and lends them out
/// for a few images, at most two of them at a time; after a crash that has two suspects each is decoded again
/// alone. All are started by one thread of the pool,
/// because the kernel ends a worker with the thread that started it. Thread-safe. Must outlive the decoders
/// made from it.
class DecoderPool {
 public:
  /// Blocks until the first workers are ready, so that a broken installation shows at the start.
  /// Errors: kUnavailable (the program is missing or does not start; a layer is missing and required).
  static Result<std::unique_ptr<DecoderPool>> Create(DecoderPoolOptions options);
  ~DecoderPool();
  DecoderPool(const DecoderPool&) = delete;
  DecoderPool& operator=(const DecoderPool&) = delete;

  /// A decoder that uses this pool; results are those of MakeInProcessDecoder(), bit for bit, but that it
  /// also decodes what needs a library (formats/libraries.h). It adds the errors kDecoderCrashed,
  /// kDecodeTimeout, kDecodeLimit (out of memory) after a second attempt in a fresh process, kUnavailable
  /// when no process can be had, and kDecoderStalled when processes were stopped, killed or kept from the CPU
  /// by others than the image, several times or until the job's deadline.
  std::unique_ptr<Decoder> MakeDecoder();

  DecoderPoolStats stats();
  /// Which walls stand around the workers, and why others do not.
  uint32_t layers() const { return layers_; }
  const std::string& missing_why() const { return missing_why_; }
  /// What the workers have of Libraries(), in its order.
  std::span<const LibrarySupport> libraries() const { return libraries_; }
  std::vector<int> pids();       ///< of idle workers and the spare; for tests
  std::vector<int> busy_pids();  ///< of those that decode; for tests

 private:
  friend class ProcessDecoder;
  explicit DecoderPool(DecoderPoolOptions options);
  /// An idle worker; null when none came until `deadline`.
  /// \param alone  set to whether no other one was busy then.
  std::unique_ptr<WorkerProcess> Take(Deadline deadline, bool* alone);
  /// \param images_before that it had done when it was taken.
  void GiveBack(std::unique_ptr<WorkerProcess> worker, int64_t images_before, Clock::duration cpu);
  /// \param pid  the worker's, while it lived.
  void ReportDeath(int pid, const Attempt& attempt);
  void CountDeath(Death death);
  bool IsWornOut(const WorkerProcess& worker, int64_t images_before) const;

  void Supervise();
  void DropDead();
  bool DropIfDead(WorkerProcess& worker);
  void LookAtStops();
  int Alive() const { return static_cast<int>(idle_.size() + parked_.size() + busy_pids_.size()); }
  void Launch();
  void FailStart(const Status& why);
  Status CheckLayers(const Hello& hello) const;

  const DecoderPoolOptions options_;
  WorkerStart start_;
  Quarantine quarantine_;
  uint32_t layers_ = 0;
  std::string missing_why_;
  std::vector<LibrarySupport> libraries_;

  std::mutex mutex_;
  std::condition_variable idle_ready_;  // decoders wait on it
  std::condition_variable wake_;        // the supervisor waits on it
  std::vector<std::unique_ptr<WorkerProcess>> idle_;
  struct Parked {
    std::unique_ptr<WorkerProcess> worker;
    TimePoint looked_at;
    Clock::duration stopped{};
  };
  std::vector<Parked> parked_;                          // idle ones that are stopped: nobody may take them
  std::vector<std::unique_ptr<WorkerProcess>> doomed_;  // for the supervisor to end
  std::vector<int> busy_pids_;
  int stopped_count_ = 0;
  std::atomic<bool> all_stopped_{false};
  bool stopped_ = false;
  bool started_ = false;  // all the first workers are there, or one failed
  Status start_status_;
  Status last_failure_;
  int64_t launched_ = 0;
  int deaths_at_start_ = 0;  // workers that ended before all the first ones were there
  DecoderPoolStats counts_;
  Respawn respawn_;
  std::thread supervisor_;
};

/// Where photovec-decoder lies: beside the running program, else in ../libexec of it. Errors: kUnavailable.
Result<std::string> FindDecoderProgram();

}  // namespace photovec::decode
