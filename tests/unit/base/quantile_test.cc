// SPDX-License-Identifier: MIT
#include "base/quantile.h"

#include <gtest/gtest.h>

namespace photovec {
namespace {

TEST(Quantile, LiesBetweenValuesInProportion) {
  EXPECT_EQ(Median({}), 0);
  EXPECT_EQ(Median({7}), 7);
  EXPECT_EQ(Median({9, 1, 5}), 5);
  EXPECT_EQ(Median({4, 1, 3, 2}), 2.5);
  EXPECT_EQ(Quantile({30, 10, 20}, 0), 10);
  EXPECT_EQ(Quantile({30, 10, 20}, 1), 30);
  EXPECT_DOUBLE_EQ(Quantile({30, 10, 20}, 0.75), 25);
}

}  // namespace
}  // namespace photovec
