// SPDX-License-Identifier: MIT
#include "base/thread_pool.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

namespace photovec {

void SetThreadName(const std::string& name) {
  pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
}

void SetThreadNice(int nice) {
  // On Linux nice belongs to the thread, not to the process, when `who` is a thread id.
  setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), nice);
}

bool SetLoopPriority(LoopPriority priority) {
  if (priority != LoopPriority::kNormal) {
    sched_param first{};
    first.sched_priority = 1;
    if (sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &first) == 0) return true;
  }
  // struct sched_attr of the kernel (man 2 sched_setattr) in its first form; glibc has none before 2.41.
  struct {
    uint32_t size = 48;
    uint32_t policy = SCHED_OTHER;
    uint64_t flags = 0;
    int32_t nice = 0;
    uint32_t priority = 0;
    uint64_t runtime_ns = 100'000;
    uint64_t deadline_ns = 0;
    uint64_t period_ns = 0;
  } attributes;
  static_assert(sizeof(attributes) == 48);
  attributes.nice = getpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)));
  syscall(SYS_sched_setattr, 0, &attributes, 0);  // a failure is harmless
  return priority == LoopPriority::kNormal;
}

ThreadPool::ThreadPool(std::string name, int threads, int nice, size_t queue_capacity)
    : queue_(queue_capacity) {
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this, nice, label = name + "-" + std::to_string(i)] {
      SetThreadName(label);
      if (nice != 0) SetThreadNice(nice);
      while (auto task = queue_.Pop()) (*task)();
    });
  }
}

ThreadPool::~ThreadPool() {
  queue_.Close();
  for (std::thread& thread : threads_) thread.join();
}

}  // namespace photovec
