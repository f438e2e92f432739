// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace photovec::encode::cpu {

/// A barrier for a few threads that meet often: spins for some microseconds, then sleeps. Thread-safe.
class SpinBarrier {
 public:
  explicit SpinBarrier(int size) : size_(size) {}
  /// Returns once all `size` threads have called it. What each wrote before, all see after.
  void Wait();

 private:
  const int size_;
  std::atomic<int> arrived_{0};
  std::atomic<uint32_t> round_{0};
};

/// Lets the calling thread run on one logical CPU only. A refusal is ignored: it costs only speed.
void PinThread(int cpu);

/// The threads of one encoder stream: the thread that calls Run() is rank 0, the helpers belong to the team.
/// Why not OpenMP's own team: oneDNN then runs on one thread at a time, which makes its results independent
/// of the team's size, needs two meetings a batch instead of two hundred, and is visible to ThreadSanitizer.
/// Run() is called by one thread at a time; no allocation after the constructor.
class Team {
 public:
  /// \param cpus one logical CPU for each thread.
  /// \param pin false: `cpus` only says how many threads.
  Team(std::vector<int> cpus, bool pin);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int size() const { return static_cast<int>(cpus_.size()); }
  const std::vector<int>& cpus() const { return cpus_; }
  bool pinned() const { return pin_; }
  /// Runs work(context, rank) on every thread and returns when all have returned. The first Run() of a thread
  /// pins it, for good, and gives the helpers its nice value. `work` must not throw.
  void Run(void (*work)(void* context, int rank), void* context);
  template <typename Work>
  void Run(Work& work) {
    Run([](void* context, int rank) { (*static_cast<Work*>(context))(rank); }, &work);
  }
  /// The next Run() treats its caller as new: after runs by a thread that is gone.
  void ForgetCaller() { caller_ = 0; }
  /// For use inside of Run().
  SpinBarrier& barrier() { return barrier_; }

 private:
  void Helper(int rank);
  void Adopt(int caller);

  const std::vector<int> cpus_;
  const bool pin_;
  SpinBarrier barrier_;
  SpinBarrier end_;
  std::atomic<uint32_t> round_{0};
  bool stop_ = false;  // written before round_ moves on
  void (*work_)(void*, int) = nullptr;
  void* context_ = nullptr;
  int caller_ = 0;  // kernel thread id of the last thread that ran
  std::vector<std::atomic<int>> helper_ids_;
  std::vector<std::thread> helpers_;
};

}  // namespace photovec::encode::cpu
