// SPDX-License-Identifier: MIT
#include "experiment/run/process_stats.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <ctime>

namespace photovec::experiment {
namespace {

TEST(ParseStat, TakesUserAndSystemTimeAfterTheLastParenthesis) {
  const char* text = "42 (a) R (b) S 1 2 3 4 5 6 7 8 9 10 700 80 5 6 20 0 3 0";
  const auto ticks = ParseStatCpuTicks(text);
  ASSERT_TRUE(ticks.has_value());
  EXPECT_EQ(ticks->own, 780u);
  EXPECT_EQ(ticks->ended_children, 11u);
  EXPECT_FALSE(ParseStatCpuTicks("").has_value());
  EXPECT_FALSE(ParseStatCpuTicks("42 (a) S 1 2 3").has_value());
}

TEST(ParseNetwork, AddsReceivedAndSentOfAllInterfaces) {
  const char* text =
      "Inter-|   Receive                            |  Transmit\n"
      " face |bytes    packets errs drop fifo frame compressed multicast|bytes packets ...\n"
      "    lo: 100 1 0 0 0 0 0 0 200 1 0 0 0 0 0 0\n"
      "  eth0:1000 1 0 0 0 0 0 0 30 1 0 0 0 0 0 0\n";
  EXPECT_EQ(ParseNetworkBytes(text), 1330u);
  EXPECT_EQ(ParseNetworkBytes(""), 0u);
}

TEST(ReadProcessStats, SeesWhatThisProcessUses) {
  const auto before = ReadProcessStats(getpid());
  ASSERT_TRUE(before.has_value());
  EXPECT_GT(before->rss_bytes, 1u << 20);
  EXPECT_GE(before->threads, 1);
  const std::clock_t begin = std::clock();
  while (std::clock() - begin < CLOCKS_PER_SEC / 5) {
  }
  const auto after = ReadProcessStats(getpid());
  ASSERT_TRUE(after.has_value());
  EXPECT_NEAR(after->cpu_seconds - before->cpu_seconds, 0.2, 0.1);
  EXPECT_GE(after->context_switches, before->context_switches);
}

TEST(ReadProcessStats, CountsChildrenWhenAsked) {
  std::array<int, 2> gate{};
  ASSERT_EQ(pipe(gate.data()), 0);
  const pid_t child = fork();
  if (child == 0) {  // busy for 0.2 s, then waits to be ended
    const std::clock_t begin = std::clock();
    while (std::clock() - begin < CLOCKS_PER_SEC / 5) {
    }
    char ready = 1;
    if (write(gate[1], &ready, 1) == 1) pause();
    _exit(1);
  }
  char ready = 0;
  ASSERT_EQ(read(gate[0], &ready, 1), 1);
  const auto alone = ReadProcessStats(getpid());
  const auto with = ReadProcessStats(getpid(), Children::kCounted);
  ASSERT_TRUE(alone.has_value() && with.has_value());
  EXPECT_NEAR(with->cpu_seconds - alone->cpu_seconds, 0.2, 0.1);
  const auto of_child = ReadProcessStats(child);
  ASSERT_TRUE(of_child.has_value());
  EXPECT_EQ(with->threads, alone->threads + of_child->threads);  // ThreadSanitizer gives it a second one
  EXPECT_GT(with->rss_bytes, alone->rss_bytes);

  kill(child, SIGKILL);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  const auto later = ReadProcessStats(getpid(), Children::kCounted);
  EXPECT_NEAR(later->cpu_seconds - ReadProcessStats(getpid())->cpu_seconds, 0.2, 0.1) << "of the ended one";
  close(gate[0]);
  close(gate[1]);
}

TEST(ReadProcessStats, KnowsThatAProcessIsGone) { EXPECT_FALSE(ReadProcessStats(0x7ffffff0).has_value()); }

}  // namespace
}  // namespace photovec::experiment
