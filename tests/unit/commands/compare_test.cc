// SPDX-License-Identifier: MIT
#include "commands/lab/commands.h"

#include <gtest/gtest.h>

namespace photovec::commands {
namespace {

TEST(ParseShare, TakesPercentagesAndShares) {
  EXPECT_DOUBLE_EQ(*ParseShare("10%"), 0.1);
  EXPECT_DOUBLE_EQ(*ParseShare("0.25"), 0.25);
  EXPECT_DOUBLE_EQ(*ParseShare("0"), 0);
  EXPECT_DOUBLE_EQ(*ParseShare("2.5%"), 0.025);
}

TEST(ParseShare, RefusesWhatIsNone) {
  for (const char* text : {"", "%", "ten", "10%%", "-1%", "10 %", "nan", "inf", "20000%"}) {
    const auto share = ParseShare(text);
    ASSERT_FALSE(share.ok()) << text;
    EXPECT_NE(share.status().message().find("such as 10%"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace photovec::commands
