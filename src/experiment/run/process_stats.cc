// SPDX-License-Identifier: MIT
#include "experiment/run/process_stats.h"

#include <dirent.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

namespace photovec::experiment {
namespace {

std::string ReadText(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

/// The number after "KEY:" at the beginning of a line; 0 when there is none.
uint64_t Field(std::string_view text, std::string_view key) {
  size_t at = text.starts_with(key) ? 0 : text.find("\n" + std::string(key));
  if (at == std::string_view::npos) return 0;
  at = text.find(':', at);
  std::istringstream number{std::string(text.substr(at + 1, 32))};
  uint64_t value = 0;
  number >> value;
  return value;
}

/// Names in a directory of /proc that are numbers.
std::vector<std::string> Numbers(const std::string& path) {
  std::vector<std::string> names;
  DIR* directory = opendir(path.c_str());
  if (directory == nullptr) return names;
  while (const dirent* entry = readdir(directory)) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  closedir(directory);
  return names;
}

double Seconds(uint64_t ticks) {
  return static_cast<double>(ticks) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

/// Adds what each thread knows alone: its context switches (/proc/PID/status has only the main thread's), and
/// the processes that it started.
void AddThreads(const std::string& process, Children children, ProcessStats* stats) {
  for (const std::string& thread : Numbers(process + "/task")) {
    const std::string folder = process + "/task/" + thread;
    const std::string status = ReadText(folder + "/status");
    stats->context_switches +=
        Field(status, "voluntary_ctxt_switches") + Field(status, "nonvoluntary_ctxt_switches");
    if (children == Children::kIgnored) continue;
    std::istringstream pids(ReadText(folder + "/children"));
    pid_t pid = 0;
    while (pids >> pid) {
      const auto child = ReadProcessStats(pid);
      if (!child) continue;  // ended in between; its time is its parent's from now on
      stats->cpu_seconds += child->cpu_seconds;
      stats->rss_bytes += Field(ReadText("/proc/" + std::to_string(pid) + "/smaps_rollup"), "Pss") * 1024;
      stats->threads += child->threads;
      stats->context_switches += child->context_switches;
    }
  }
}

}  // namespace

std::optional<CpuTicks> ParseStatCpuTicks(std::string_view text) {
  // The name stands in parentheses and may hold spaces and parentheses itself: what counts begins after the
  // last.
  const size_t name_end = text.rfind(')');
  if (name_end == std::string_view::npos) return std::nullopt;
  std::istringstream fields{std::string(text.substr(name_end + 1))};
  constexpr int kFieldsBeforeUtime =
      11;  // man 5 proc_pid_stat: state (3) ... cmajflt (13), then utime, stime, cutime, cstime
  std::string skipped;
  for (int i = 0; i < kFieldsBeforeUtime; ++i) fields >> skipped;
  uint64_t user = 0;
  uint64_t system = 0;
  uint64_t children_user = 0;
  uint64_t children_system = 0;
  if (!(fields >> user >> system >> children_user >> children_system)) return std::nullopt;
  return CpuTicks{user + system, children_user + children_system};
}

uint64_t ParseNetworkBytes(std::string_view text) {
  std::istringstream lines{std::string(text)};
  std::string line;
  uint64_t sum = 0;
  while (std::getline(lines, line)) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos) continue;  // the two lines of headings
    std::istringstream fields(line.substr(colon + 1));
    constexpr int kSentBytes = 8;  // 8 columns of what was received, then the same of what was sent
    uint64_t value = 0;
    for (int i = 0; i <= kSentBytes && fields >> value; ++i) {
      if (i == 0 || i == kSentBytes) sum += value;
    }
  }
  return sum;
}

std::optional<ProcessStats> ReadProcessStats(pid_t pid, Children children) {
  const std::string process = "/proc/" + std::to_string(pid);
  const auto ticks = ParseStatCpuTicks(ReadText(process + "/stat"));
  if (!ticks) return std::nullopt;
  const std::string status = ReadText(process + "/status");
  ProcessStats stats;
  stats.cpu_seconds = Seconds(ticks->own);
  if (children == Children::kCounted) stats.cpu_seconds += Seconds(ticks->ended_children);
  stats.rss_bytes = Field(status, "VmRSS") * 1024;
  stats.threads = static_cast<int>(Field(status, "Threads"));
  AddThreads(process, children, &stats);
  stats.network_bytes = ParseNetworkBytes(ReadText(process + "/net/dev"));
  return stats;
}

}  // namespace photovec::experiment
