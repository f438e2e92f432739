// SPDX-License-Identifier: MIT
#include "experiment/process_stats.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <ctime>

namespace photovec::experiment {
namespace {

TEST(ParseStat, TakesUserAndSystemTimeAfterTheLastParenthesis) {
  const char* text = "42 (a) R (b) S 1 2 3 4 5 6 7 8 9 10 700 80 0 0 20 0 3 0";
  EXPECT_EQ(ParseStatCpuTicks(text), 780u);
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

TEST(ReadProcessStats, KnowsThatAProcessIsGone) { EXPECT_FALSE(ReadProcessStats(0x7ffffff0).has_value()); }

}  // namespace
}  // namespace photovec::experiment
