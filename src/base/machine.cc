// SPDX-License-Identifier: MIT
#include "base/machine.h"

#include <cpuid.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>
#include <sstream>
#include <utility>

#include "base/cgroup.h"

namespace photovec {
namespace {

std::string ReadLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

uint64_t ReadCacheBytes(const std::string& path) {
  const std::string text = ReadLine(path);  // "1024K"
  if (text.empty()) return 0;
  std::istringstream in(text);
  uint64_t value = 0;
  char unit = 0;
  in >> value >> unit;
  return unit == 'K' ? value << 10 : unit == 'M' ? value << 20 : value;
}

void ReadCaches(Machine& machine) {
  for (int i = 0; i < 8; ++i) {
    const std::string base = "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(i);
    const std::string level = ReadLine(base + "/level");
    if (level == "2") machine.l2_bytes = ReadCacheBytes(base + "/size");
    if (level == "3") machine.l3_bytes = ReadCacheBytes(base + "/size");
  }
}

// Logical CPUs allowed by affinity, one of each physical core before their siblings.
void ReadCpus(Machine& machine) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) CPU_SET(0, &set);
  std::set<std::pair<std::string, std::string>> cores;
  std::vector<int> siblings;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &set)) continue;
    const std::string base = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
    std::pair key(ReadLine(base + "physical_package_id"), ReadLine(base + "core_id"));
    if (key.second.empty()) key.second = "cpu" + std::to_string(cpu);
    (cores.insert(std::move(key)).second ? machine.cpus : siblings).push_back(cpu);
  }
  machine.physical_cores = static_cast<int>(machine.cpus.size());
  machine.cpus.insert(machine.cpus.end(), siblings.begin(), siblings.end());
}

void ReadLimits(Machine& machine) {
  machine.cpu_quota = static_cast<double>(machine.cpus.size());
  const CgroupLimits limits = ReadCgroupLimits();
  if (limits.cpus) machine.cpu_quota = std::min(machine.cpu_quota, *limits.cpus);
  machine.memory_bytes =
      static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  if (limits.memory_bytes) machine.memory_bytes = std::min(machine.memory_bytes, *limits.memory_bytes);
}

void ReadIsa(Machine& machine) {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  __builtin_cpu_init();
  machine.has_avx2 = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
  machine.has_avx512 = __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
                       __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512vl") != 0;
  if (__get_cpuid_count(7, 1, &a, &b, &c, &d) != 0) {
    machine.has_avx512_bf16 = machine.has_avx512 && (a & (1U << 5)) != 0;
  }
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) != 0) {
    machine.has_amx_bf16 = (d & (1U << 22)) != 0 && (d & (1U << 24)) != 0;
  }
  machine.isa = machine.has_amx_bf16      ? "amx_bf16"
                : machine.has_avx512_bf16 ? "avx512_bf16"
                : machine.has_avx512      ? "avx512"
                : machine.has_avx2        ? "avx2"
                                          : "sse2";
}

}  // namespace

Machine ProbeMachine() {
  Machine machine;
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.rfind("model name", 0) != 0) continue;
    const size_t colon = line.find(':');
    if (colon != std::string::npos && colon + 2 <= line.size()) machine.cpu_model = line.substr(colon + 2);
    break;
  }
  ReadCpus(machine);
  ReadCaches(machine);
  ReadLimits(machine);
  ReadIsa(machine);
  return machine;
}

uint64_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  uint64_t total = 0;
  uint64_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace photovec
