// SPDX-License-Identifier: MIT
#include "encode/cpu/team.h"

#include <omp.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "base/thread_pool.h"

namespace photovec::encode::cpu {
namespace {

// About 100 us on current cores: longer than threads of one batch usually wait for each other, far shorter
// than a time slice.
constexpr int kSpins = 4000;

void Relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Waits until `value` differs from `old`.
void AwaitChange(const std::atomic<uint32_t>& value, uint32_t old) {
  for (int i = 0; i < kSpins; ++i) {
    if (value.load(std::memory_order_acquire) != old) return;
    Relax();
  }
  while (value.load(std::memory_order_acquire) == old) value.wait(old, std::memory_order_acquire);
}

}  // namespace

void PinThread(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  (void)sched_setaffinity(0, sizeof(set), &set);
}

void SpinBarrier::Wait() {
  if (size_ == 1) return;
  const uint32_t round = round_.load(std::memory_order_acquire);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == size_) {
    arrived_.store(0, std::memory_order_relaxed);
    round_.store(round + 1, std::memory_order_release);
    round_.notify_all();
  } else {
    AwaitChange(round_, round);
  }
}

Team::Team(std::vector<int> cpus, bool pin)
    : cpus_(std::move(cpus)), pin_(pin), barrier_(size()), end_(size()), helper_ids_(cpus_.size()) {
  for (int rank = 1; rank < size(); ++rank) helpers_.emplace_back([this, rank] { Helper(rank); });
  for (int rank = 1; rank < size(); ++rank) helper_ids_[static_cast<size_t>(rank)].wait(0);
}

Team::~Team() {
  stop_ = true;
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  for (std::thread& helper : helpers_) helper.join();
}

void Team::Helper(int rank) {
  SetThreadName("encode-" + std::to_string(rank));
  omp_set_num_threads(1);
  if (pin_) PinThread(cpus_[static_cast<size_t>(rank)]);
  auto& id = helper_ids_[static_cast<size_t>(rank)];
  id.store(gettid());
  id.notify_all();
  for (uint32_t round = 0;; ++round) {
    AwaitChange(round_, round);
    if (stop_) return;
    work_(context_, rank);
    end_.Wait();
  }
}

void Team::Adopt(int caller) {
  caller_ = caller;
  // oneDNN's threads for this caller, for good: the team shares the work, not oneDNN.
  omp_set_num_threads(1);
  if (pin_) PinThread(cpus_[0]);
  const int nice = getpriority(PRIO_PROCESS, 0);
  for (int rank = 1; rank < size(); ++rank) {
    // Lowering a nice value needs rights; then the helpers stay as they are.
    (void)setpriority(PRIO_PROCESS, static_cast<id_t>(helper_ids_[static_cast<size_t>(rank)].load()), nice);
  }
}

void Team::Run(void (*work)(void*, int), void* context) {
  if (const int caller = gettid(); caller != caller_) Adopt(caller);
  if (size() == 1) return work(context, 0);
  work_ = work;
  context_ = context;
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  work(context, 0);
  end_.Wait();
}

}  // namespace photovec::encode::cpu
