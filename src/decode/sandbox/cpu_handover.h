// SPDX-License-Identifier: MIT
#pragma once

#include <sched.h>

namespace photovec::decode {

/// Hands the calling thread's CPU to a worker for one image, and takes it back with the answer: whoever waits
/// sleeps, so one CPU serves both in turn. Left to itself the kernel wakes the worker, and afterwards the
/// thread, on another CPU that idles; in a virtual machine each such wake takes some 100 us. For an image
/// that is decoded alone: where several are, keeping threads on their CPUs costs more (two threads may be on
/// one) than it gains.
///
/// Both may be moved when it is worth it: the worker as soon as it runs, the thread as soon as it is awake
/// again. Nothing here may fail: without the right to set affinities the kernel decides as ever.
class CpuHandover {
 public:
  /// Keeps the calling thread on its CPU, and has the worker, which sleeps, wake there.
  explicit CpuHandover(int worker_pid);
  /// After the image was sent: the worker may be moved from now on.
  void Sent();
  /// The thread may be moved, too.
  ~CpuHandover();
  CpuHandover(const CpuHandover&) = delete;
  CpuHandover& operator=(const CpuHandover&) = delete;

 private:
  const int worker_pid_;
  bool thread_kept_ = false;
  bool worker_kept_ = false;
  cpu_set_t allowed_;  ///< where the thread may run otherwise
};

}  // namespace photovec::decode
