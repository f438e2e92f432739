// SPDX-License-Identifier: MIT
#include "base/thread_pool.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <utility>

namespace photovec {

void SetThreadName(const std::string& name) {
  pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
}

void SetThreadNice(int nice) {
  // On Linux nice belongs to the thread, not to the process, when `who` is a thread id.
  setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), nice);
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
