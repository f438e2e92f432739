// SPDX-License-Identifier: MIT
#include "experiment/parse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace photovec::experiment {
namespace {

TEST(ParseSeconds, KnowsUnits) {
  EXPECT_DOUBLE_EQ(*ParseSeconds("60s"), 60);
  EXPECT_DOUBLE_EQ(*ParseSeconds("500ms"), 0.5);
  EXPECT_DOUBLE_EQ(*ParseSeconds("2m"), 120);
  EXPECT_DOUBLE_EQ(*ParseSeconds("1h"), 3600);
  EXPECT_DOUBLE_EQ(*ParseSeconds("1.5"), 1.5);
}

TEST(ParseSeconds, QuotesWhatIsNone) {
  for (const char* text : {"", "s", "-1s", "1d", "nan", "inf", "1e400", "1 s"}) {
    const auto parsed = ParseSeconds(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_THAT(parsed.status().message(), ::testing::HasSubstr("'" + std::string(text) + "'"));
  }
}

TEST(ParseRange, HasTwoEndsOrOne) {
  const auto wide = ParseRange("30-50");
  ASSERT_TRUE(wide.ok());
  EXPECT_EQ(wide->low, 30);
  EXPECT_EQ(wide->high, 50);
  const auto point = ParseRange("0");
  ASSERT_TRUE(point.ok());
  EXPECT_EQ(point->low, 0);
  EXPECT_EQ(point->high, 0);
  EXPECT_EQ(ParseRange("3-5s")->high, 5);
}

TEST(ParseRange, RefusesWhatIsNone) {
  for (const char* text : {"", "-", "50-30", "3-", "a-b", "1-2-3", "-3"})
    EXPECT_FALSE(ParseRange(text).ok()) << text;
}

}  // namespace
}  // namespace photovec::experiment
