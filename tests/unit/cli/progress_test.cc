// SPDX-License-Identifier: MIT
#include "cli/progress.h"

#include <gtest/gtest.h>

namespace photovec::cli {
namespace {

TEST(Progress, Texts) {
  EXPECT_EQ(Grouped(0), "0");
  EXPECT_EQ(Grouped(999), "999");
  EXPECT_EQ(Grouped(1234567), "1,234,567");
  EXPECT_EQ(Grouped(-1234), "-1,234");
  EXPECT_EQ(ProgressText(1234, 3, 5000, 83.1), "1,234/5,000 images  83.1 img/s  ETA 0:45  3 failed");
  EXPECT_EQ(ProgressText(10, 0, -1, 2.0), "10 images  2.0 img/s");
  EXPECT_EQ(ProgressText(0, 0, 7200, 1.0), "0/7,200 images  1.0 img/s  ETA 2:00:00");
}

}  // namespace
}  // namespace photovec::cli
