// SPDX-License-Identifier: MIT
#include "fetch/http/retry.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <random>

namespace photovec::fetch {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Backoff, IsDrawnFromZeroToADoublingBound) {
  std::minstd_rand random(1);
  for (const auto& [next, most] :
       {std::pair{2, milliseconds(50)}, {3, milliseconds(100)}, {4, milliseconds(200)}}) {
    Clock::duration longest{};
    for (int i = 0; i < 1000; ++i) longest = std::max(longest, Backoff(next, milliseconds(50), random));
    EXPECT_LE(longest, most);
    EXPECT_GT(longest, most * 9 / 10) << "the whole range is used";
  }
  for (int i = 0; i < 100; ++i) EXPECT_LE(Backoff(40, seconds(1), random), seconds(20));
}

TEST(RetryAfter, SecondsAndDates) {
  const auto now = std::chrono::system_clock::from_time_t(784'111'777);  // Sun, 06 Nov 1994 08:49:37 GMT
  EXPECT_EQ(ParseRetryAfter("0", now), seconds(0));
  EXPECT_EQ(ParseRetryAfter(" 120 ", now), seconds(120));
  EXPECT_EQ(ParseRetryAfter("99999999999", now), seconds(86'400));
  EXPECT_EQ(ParseRetryAfter("Sun, 06 Nov 1994 08:49:47 GMT", now), seconds(10));
  EXPECT_EQ(ParseRetryAfter("Sun, 06 Nov 1994 08:49:00 GMT", now), seconds(0));
  for (const char* text : {"", "-1", "soon", "1.5.7"})
    EXPECT_EQ(ParseRetryAfter(text, now), std::nullopt) << text;
}

TEST(RetryBudget, EndsAndComesBack) {
  RetryBudget budget;
  int taken = 0;
  while (budget.Take()) ++taken;
  EXPECT_EQ(taken, 35);  // 500 / 14
  for (int i = 0; i < 4; ++i) budget.OnSuccess(false);
  EXPECT_TRUE(budget.Take()) << "10 were left, and 4 came back";
  EXPECT_FALSE(budget.Take());
  budget.OnSuccess(true);
  EXPECT_TRUE(budget.Take()) << "what a retry cost comes back when it succeeds";
}

}  // namespace
}  // namespace photovec::fetch
