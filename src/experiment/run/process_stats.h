// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string_view>

namespace photovec::experiment {

/// Whether the processes that a process started count as part of it: decoder processes are a server's, while
/// a server is not the load generator's.
enum class Children { kIgnored, kCounted };

/// What the kernel says of one process (and its children) at one moment.
struct ProcessStats {
  double cpu_seconds = 0;  ///< user and system, all threads, since its start; ended children included
  uint64_t rss_bytes = 0;  ///< resident; of a child its proportional set, so that shared pages count once
  int threads = 0;
  uint64_t context_switches = 0;  ///< voluntary and not, of all threads that are alive
  uint64_t network_bytes = 0;     ///< received and sent by all interfaces of its network namespace
};

/// Reads /proc/PID; nullopt when the process is gone. A few hundred microseconds for a server with many
/// threads, and about a hundred for each child. Grandchildren are not looked for.
std::optional<ProcessStats> ReadProcessStats(pid_t pid, Children children = Children::kIgnored);

/// Clock ticks of user and system time, from the text of /proc/PID/stat.
struct CpuTicks {
  uint64_t own = 0;
  uint64_t ended_children = 0;
};
/// The process's name may hold anything.
std::optional<CpuTicks> ParseStatCpuTicks(std::string_view text);
/// Sum of the received and sent bytes of /proc/PID/net/dev.
uint64_t ParseNetworkBytes(std::string_view text);

}  // namespace photovec::experiment
