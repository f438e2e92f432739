// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace photovec {

/// What this machine (or container) offers, read once from /proc, /sys, cgroups and CPUID.
struct Machine {
  std::string cpu_model;      ///< as /proc/cpuinfo says
  std::string isa;            ///< widest useful instruction set: "avx512_bf16", "avx2", ...
  std::vector<int> cpus;      ///< logical CPUs this process may run on, one per physical core first
  int physical_cores = 0;     ///< among `cpus`
  double cpu_quota = 0;       ///< CPUs' worth of time the cgroup allows; = cpus.size() without a limit
  uint64_t memory_bytes = 0;  ///< physical memory, or the cgroup's limit when lower
  uint64_t l2_bytes = 0;      ///< per core; 0 = unknown
  uint64_t l3_bytes = 0;      ///< 0 = unknown
  bool has_avx2 = false;
  bool has_avx512 = false;  ///< F, BW, DQ and VL
  bool has_avx512_bf16 = false;
  bool has_amx_bf16 = false;
};

/// Probes anew on each call (a few file reads). Never fails: what cannot be read keeps its default.
Machine ProbeMachine();

/// Resident set size of this process in bytes; 0 when /proc is not there.
uint64_t ResidentBytes();

}  // namespace photovec
