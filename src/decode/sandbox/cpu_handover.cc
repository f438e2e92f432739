// SPDX-License-Identifier: MIT
#include "decode/sandbox/cpu_handover.h"

#include <cstddef>

namespace photovec::decode {

CpuHandover::CpuHandover(int worker_pid) : worker_pid_(worker_pid) {
  const int cpu = sched_getcpu();
  // More CPUs than a cpu_set_t has, or no such right: left to the kernel.
  if (cpu < 0 || cpu >= CPU_SETSIZE || sched_getaffinity(0, sizeof(allowed_), &allowed_) != 0) return;
  cpu_set_t here;
  CPU_ZERO(&here);
  CPU_SET(static_cast<size_t>(cpu), &here);
  thread_kept_ = sched_setaffinity(0, sizeof(here), &here) == 0;
  worker_kept_ = thread_kept_ && sched_setaffinity(worker_pid_, sizeof(here), &here) == 0;
}

void CpuHandover::Sent() {
  if (worker_kept_) sched_setaffinity(worker_pid_, sizeof(allowed_), &allowed_);
}

CpuHandover::~CpuHandover() {
  if (thread_kept_) sched_setaffinity(0, sizeof(allowed_), &allowed_);
}

}  // namespace photovec::decode
