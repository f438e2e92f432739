// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/deadline.h"
#include "metrics/registry.h"

namespace photovec::metrics {

/// CPU time of the whole machine since boot, in clock ticks summed over all CPUs.
struct MachineCpuTicks {
  uint64_t busy = 0;
  uint64_t total = 0;
};

/// Reads the "cpu" line of /proc/stat; nullopt when it is not there. Waiting for a disk counts as idle; guest
/// time is not counted twice (it is part of user time).
std::optional<MachineCpuTicks> ParseProcStat(std::string_view text);

/// Exports what this process uses: resident memory, CPU seconds, CPUs in use, threads, open files, the limit
/// on open files, how busy the whole machine is, and which build this is. Values are read when the registry
/// is exposed; no thread of its own. The two ratios are means over the time since the exposition before, at
/// least kMinInterval (two scrapers at once do not disturb each other). In a container the machine's
/// ratio is that of the host, as /proc/stat is.
class ResourceSampler {
 public:
  static constexpr Clock::duration kMinInterval = std::chrono::seconds(1);

  /// \param registry must outlive this object.
  explicit ResourceSampler(Registry& registry);
  ~ResourceSampler();
  ResourceSampler(const ResourceSampler&) = delete;
  ResourceSampler& operator=(const ResourceSampler&) = delete;

 private:
  void Sample();
  void SampleRatios(double cpu_seconds);

  Registry& registry_;
  Gauge* resident_bytes_;
  Counter* cpu_seconds_;
  Gauge* cpu_ratio_;
  Gauge* machine_cpu_ratio_;
  Gauge* threads_;
  Gauge* open_fds_;
  Gauge* max_fds_;

  // Where the current interval of the ratios began.
  TimePoint since_;
  double since_cpu_seconds_;
  MachineCpuTicks since_machine_;
  int sampler_id_;
};

}  // namespace photovec::metrics
