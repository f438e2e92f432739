// SPDX-License-Identifier: MIT
#include "commands/lab/commands.h"

#include <gtest/gtest.h>

namespace photovec::commands {
namespace {

TEST(BenchLayout, Parse) {
  const auto layout = ParseLayout("2x4");
  ASSERT_TRUE(layout.ok());
  EXPECT_EQ(layout->streams, 2);
  EXPECT_EQ(layout->threads, 4);
  for (const char* bad : {"", "2", "2x", "x2", "0x1", "2x0", "2x1x1", "-1x1", "2*1", "2x1 "}) {
    EXPECT_FALSE(ParseLayout(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace photovec::commands
