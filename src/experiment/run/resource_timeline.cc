// SPDX-License-Identifier: MIT
#include "experiment/run/resource_timeline.h"

#include <unistd.h>

#include <fstream>
#include <optional>
#include <string>
#include <utility>

#include "experiment/run/process_stats.h"
#include "metrics/resource_sampler.h"

namespace photovec::experiment {

struct ResourceTimeline::Reading {
  int64_t at_us = 0;
  ProcessStats server;
  ProcessStats load;
  ProcessStats store;
  metrics::MachineCpuTicks machine;
  std::optional<metrics::GpuSample> gpu;
};

ResourceTimeline::ResourceTimeline(Watched watched) : watched_(watched), thread_([this] { Run(); }) {}

ResourceTimeline::~ResourceTimeline() {
  if (thread_.joinable()) Stop();
}

std::vector<ResourceSample> ResourceTimeline::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  stop_changed_.notify_all();
  thread_.join();
  return std::move(samples_);
}

ResourceTimeline::Reading ResourceTimeline::Read() const {
  Reading now;
  now.server = ReadProcessStats(watched_.server, Children::kCounted).value_or(ProcessStats{});
  now.load = ReadProcessStats(getpid()).value_or(ProcessStats{});
  if (watched_.store != 0) now.store = ReadProcessStats(watched_.store).value_or(ProcessStats{});
  std::ifstream stat("/proc/stat");
  std::string line;
  std::getline(stat, line);
  now.machine = metrics::ParseProcStat(line).value_or(metrics::MachineCpuTicks{});
  if (watched_.nvml != nullptr) {
    auto gpu = watched_.nvml->Sample();
    if (gpu.ok()) now.gpu = *gpu;
  }
  now.at_us = NowMicros();
  return now;
}

ResourceSample ResourceTimeline::Between(const Reading& before, const Reading& now) const {
  const double seconds = static_cast<double>(now.at_us - before.at_us) / 1e6;
  // A process that ended reads as zeros: a rate is then 0, not negative.
  const auto rate = [seconds](auto from, auto to) {
    return to > from && seconds > 0 ? static_cast<double>(to - from) / seconds : 0.0;
  };
  ResourceSample sample;
  sample.at_us = now.at_us;
  sample.server_cpus = rate(before.server.cpu_seconds, now.server.cpu_seconds);
  sample.load_cpus = rate(before.load.cpu_seconds, now.load.cpu_seconds);
  sample.store_cpus = rate(before.store.cpu_seconds, now.store.cpu_seconds);
  const auto total = now.machine.total - before.machine.total;
  if (total > 0) {
    sample.machine_cpu =
        static_cast<double>(now.machine.busy - before.machine.busy) / static_cast<double>(total);
  }
  sample.rss_bytes = static_cast<double>(now.server.rss_bytes);
  sample.threads = now.server.threads;
  sample.context_switches_per_s = rate(before.server.context_switches, now.server.context_switches);
  sample.network_bytes_per_s = rate(before.server.network_bytes, now.server.network_bytes);
  if (now.gpu) {
    sample.gpu_busy = now.gpu->busy;
    sample.gpu_memory_bytes = now.gpu->memory_bytes;
    sample.gpu_power_watts = now.gpu->power_watts;
  }
  return sample;
}

void ResourceTimeline::Run() {
  Reading before = Read();
  auto next = std::chrono::steady_clock::now() + kInterval;
  std::unique_lock lock(mutex_);
  while (!stop_changed_.wait_until(lock, next, [this] { return stop_; })) {
    lock.unlock();
    Reading now = Read();
    samples_.push_back(Between(before, now));
    before = now;
    next += kInterval;
    lock.lock();
  }
}

}  // namespace photovec::experiment
