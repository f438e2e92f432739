// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string_view>

namespace photovec::experiment {

/// What the kernel says of one process at one moment.
struct ProcessStats {
  double cpu_seconds = 0;  ///< user and system, all threads, since its start
  uint64_t rss_bytes = 0;
  int threads = 0;
  uint64_t context_switches = 0;  ///< voluntary and not, of all threads that are alive
  uint64_t network_bytes = 0;     ///< received and sent by all interfaces of its network namespace
};

/// Reads /proc/PID; nullopt when the process is gone. A few hundred microseconds for a server with many
/// threads.
std::optional<ProcessStats> ReadProcessStats(pid_t pid);

/// Clock ticks of user and system time from the text of /proc/PID/stat; the process's name may hold anything.
std::optional<uint64_t> ParseStatCpuTicks(std::string_view text);
/// Sum of the received and sent bytes of /proc/PID/net/dev.
uint64_t ParseNetworkBytes(std::string_view text);

}  // namespace photovec::experiment
