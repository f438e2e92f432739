// SPDX-License-Identifier: MIT
#include "metrics/resource_sampler.h"

#include <dirent.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <sstream>
#include <string>

#include "base/clock.h"
#include "base/machine.h"
#include "metrics/names.h"

namespace photovec::metrics {
namespace {

double ProcessCpuSeconds() { return Seconds(ProcessCpuTime()); }

MachineCpuTicks ReadMachineCpu() {
  std::ifstream file("/proc/stat");
  std::string line;
  std::getline(file, line);
  return ParseProcStat(line).value_or(MachineCpuTicks{});
}

/// Entries of a /proc directory, "." and ".." not counted; -1 when it cannot be read.
int CountEntries(const char* path) {
  DIR* directory = opendir(path);
  if (directory == nullptr) return -1;
  int count = -2;
  while (readdir(directory) != nullptr) ++count;
  closedir(directory);
  return std::max(count, 0);
}

double MaxFds() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  return static_cast<double>(limit.rlim_cur);
}

}  // namespace

std::optional<MachineCpuTicks> ParseProcStat(std::string_view text) {
  if (!text.starts_with("cpu ")) return std::nullopt;
  std::istringstream fields{std::string(text.substr(4, text.find('\n') - 4))};
  // man 5 proc_stat: user nice system idle iowait irq softirq steal (guest times follow, inside user).
  constexpr int kIdle = 3;
  constexpr int kIoWait = 4;
  constexpr int kCounted = 8;
  MachineCpuTicks ticks;
  uint64_t value = 0;
  int field = 0;
  for (; field < kCounted && fields >> value; ++field) {
    ticks.total += value;
    if (field != kIdle && field != kIoWait) ticks.busy += value;
  }
  if (field <= kIdle) return std::nullopt;
  return ticks;
}

ResourceSampler::ResourceSampler(Registry& registry)
    : registry_(registry),
      resident_bytes_(registry.GetGauge(name::kResidentBytes, "Resident memory of this process.", {})),
      cpu_seconds_(registry.GetCounter(name::kCpuSeconds, "CPU time used by this process.", {})),
      cpu_ratio_(
          registry.GetGauge(name::kCpuRatio, "CPUs that this process kept busy since the last look.", {})),
      machine_cpu_ratio_(registry.GetGauge(
          name::kMachineCpuRatio, "Share of all CPUs of the machine busy since the last look, 0 to 1.", {})),
      threads_(registry.GetGauge(name::kThreads, "Threads of this process.", {})),
      open_fds_(registry.GetGauge(name::kOpenFds, "Open file descriptors.", {})),
      max_fds_(registry.GetGauge(name::kMaxFds, "Limit on open file descriptors.", {})),
      since_(Clock::now()),
      since_cpu_seconds_(ProcessCpuSeconds()),
      since_machine_(ReadMachineCpu()) {
  registry
      .GetGauge(name::kBuildInfo, "1; the labels say which build this is.",
                {{label::kVersion, PHOTOVEC_VERSION}})
      ->Set(1);
  sampler_id_ = registry.AddSampler([this] { Sample(); });
}

ResourceSampler::~ResourceSampler() { registry_.RemoveSampler(sampler_id_); }

void ResourceSampler::Sample() {
  const double cpu_seconds = ProcessCpuSeconds();
  resident_bytes_->Set(static_cast<double>(ResidentBytes()));
  cpu_seconds_->RaiseTo(cpu_seconds);
  threads_->Set(CountEntries("/proc/self/task"));
  open_fds_->Set(std::max(0, CountEntries("/proc/self/fd") - 1));  // less the one that lists them
  max_fds_->Set(MaxFds());
  SampleRatios(cpu_seconds);
}

void ResourceSampler::SampleRatios(double cpu_seconds) {
  const TimePoint now = Clock::now();
  if (now - since_ < kMinInterval) return;
  const double elapsed_s = std::chrono::duration<double>(now - since_).count();
  cpu_ratio_->Set((cpu_seconds - since_cpu_seconds_) / elapsed_s);
  const MachineCpuTicks machine = ReadMachineCpu();
  if (machine.total > since_machine_.total && machine.busy >= since_machine_.busy) {
    machine_cpu_ratio_->Set(static_cast<double>(machine.busy - since_machine_.busy) /
                            static_cast<double>(machine.total - since_machine_.total));
  }
  since_ = now;
  since_cpu_seconds_ = cpu_seconds;
  since_machine_ = machine;
}

}  // namespace photovec::metrics
