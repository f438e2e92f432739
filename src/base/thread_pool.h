// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/bounded_queue.h"
#include "base/enum_names.h"

namespace photovec {

/// Names the calling thread as `top` and `ps -T` show it (at most 15 characters).
void SetThreadName(const std::string& name);
/// Sets the calling thread's nice value. Decode and encode threads run at 10, so that the event loops always
/// get a core at once (docs/architecture.md, "The flow"). A failure is harmless and ignored: raising nice
/// needs no rights.
void SetThreadNice(int nice);
inline constexpr int kWorkerNice = 10;

/// How event loops, which run often and shortly, come to a core.
enum class LoopPriority {
  kAuto,      ///< kRealtime where the system allows it, else kNormal
  kNormal,    ///< like other threads, with time slices of 0.1 ms: from Linux 6.12 on a thread that wakes up
              ///< then seldom waits for the end of another's slice, some 3 ms; older kernels take no notice
  kRealtime,  ///< ahead of every normal thread: SCHED_RR, priority 1
};
constexpr auto EnumNames(LoopPriority /*of*/) {
  return std::array{EnumName{LoopPriority::kAuto, "auto"}, EnumName{LoopPriority::kNormal, "normal"},
                    EnumName{LoopPriority::kRealtime, "realtime"}};
}
/// Sets it for the calling thread; threads and processes that it starts do not inherit kRealtime.
/// \return false when kRealtime was asked for, or tried, and the system does not allow it: it takes root,
/// CAP_SYS_NICE or a limit RLIMIT_RTPRIO of at least 1. The thread then runs as with kNormal.
bool SetLoopPriority(LoopPriority priority);

/// A few named threads that run tasks in FIFO order. Post is thread-safe. The destructor runs what was
/// posted, then joins.
class ThreadPool {
 public:
  /// \param queue_capacity how many tasks may wait; TryPost refuses more.
  ThreadPool(std::string name, int threads, int nice, size_t queue_capacity);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  /// False when the queue is full; the task is then left as it was. Never blocks. Tasks must not throw.
  bool TryPost(std::function<void()>& task) { return queue_.TryPush(task); }
  size_t waiting() const { return queue_.size(); }
  int threads() const { return static_cast<int>(threads_.size()); }

 private:
  BoundedQueue<std::function<void()>> queue_;
  std::vector<std::thread> threads_;
};

}  // namespace photovec
