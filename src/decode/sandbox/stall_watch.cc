// SPDX-License-Identifier: MIT
#include "decode/sandbox/stall_watch.h"

#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>

namespace photovec::decode {
namespace {

constexpr std::array<std::string_view, static_cast<size_t>(Death::kCount)> kDeathNames = {
    "crashed", "killed", "sandbox", "memory", "timeout", "cpu", "protocol", "stopped", "starved"};

/// A worker that got less than half of a CPU, give or take this, did not get what it needs.
constexpr std::chrono::seconds kSlack{1};

}  // namespace

std::string_view DeathName(Death death) { return kDeathNames.at(static_cast<size_t>(death)); }

bool SpeaksAgainstImage(Death death) {
  return death != Death::kKilled && death != Death::kStopped && death != Death::kStarved;
}

ProcessState ReadProcessState(int pid) {
  std::array<char, 64> path{};
  std::snprintf(path.data(), path.size(), "/proc/%d/stat", pid);
  FILE* file = std::fopen(path.data(), "re");
  if (file == nullptr) return ProcessState::kUnknown;
  std::array<char, 256> text{};
  const size_t length = std::fread(text.data(), 1, text.size() - 1, file);
  std::fclose(file);
  text.at(length) = '\0';
  // "1234 (a name, parentheses and all) S 1 ..."
  const char* end = std::strrchr(text.data(), ')');
  if (end == nullptr || end[1] != ' ') return ProcessState::kUnknown;
  switch (end[2]) {
    case 'R':
      return ProcessState::kRuns;
    case 'S':
      return ProcessState::kAsleep;
    case 'D':
      return ProcessState::kBlocked;
    case 'T':
    case 't':
      return ProcessState::kStopped;
    default:
      return ProcessState::kUnknown;
  }
}

bool IsStoppedChild(int pid) {
  siginfo_t info{};
  return waitid(P_PID, static_cast<id_t>(pid), &info, WSTOPPED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == pid;
}

std::optional<Death> StallWatch::Judge(const Look& look) {
  const auto step = std::min<Clock::duration>(look.at - last_.at, kLongestStep);
  const bool got_on = look.cpu > last_.cpu;
  last_ = look;
  watched_ += step;
  const bool stopped = look.state == ProcessState::kStopped;
  stopped_ = stopped ? stopped_ + step : Clock::duration{};
  if (look.state == ProcessState::kAsleep && !got_on) asleep_ += step;

  if (look.cpu > limits_.cpu) return Death::kCpu;
  if (asleep_ > limits_.wall) return Death::kTimeout;
  const Clock::duration patience = look.all_stopped ? limits_.wall : std::min(limits_.stopped, limits_.wall);
  if (stopped_ > patience) return Death::kStopped;
  const bool slow = 2 * look.cpu + kSlack < look.at - start_;
  if (slow && (watched_ > limits_.starved || deadline_.at() <= look.at)) {
    return stopped ? Death::kStopped : Death::kStarved;
  }
  return std::nullopt;
}

}  // namespace photovec::decode
