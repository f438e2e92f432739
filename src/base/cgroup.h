// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace photovec {

/// What the control groups that this process is in allow it, theirs and those of all groups around them that
/// can be seen from here.
struct CgroupLimits {
  std::optional<uint64_t> memory_bytes;
  std::optional<double> cpus;  ///< worth of time
};

/// Looks where the process really is: /proc/self/cgroup names its groups, /proc/self/mountinfo where their
/// hierarchies are mounted. Knows version 2 (memory.max, memory.high, cpu.max), version 1
/// (memory.limit_in_bytes, hierarchical_memory_limit, cpu.cfs_quota_us) and both at once. Of nested groups
/// the smallest limit counts. Blocking, a few file reads; never fails: what cannot be read limits nothing.
/// \param root is put before every path: tests have a /proc and a /sys of their own.
CgroupLimits ReadCgroupLimits(const std::string& root = {});

}  // namespace photovec
