// SPDX-License-Identifier: MIT
#include "base/vectors.h"

#include <gtest/gtest.h>

#include <vector>

namespace photovec {
namespace {

TEST(NormalizeL2, LengthOneOrNothing) {
  std::vector<float> vector = {3, 0, -4};
  EXPECT_TRUE(NormalizeL2(vector));
  EXPECT_EQ(vector, (std::vector<float>{0.6F, 0, -0.8F}));
  std::vector<float> zeros(3);
  EXPECT_FALSE(NormalizeL2(zeros));
  EXPECT_EQ(zeros, std::vector<float>(3));
  std::vector<float> large(2, 3e38F);  // its square is no float
  EXPECT_TRUE(NormalizeL2(large));
  EXPECT_FLOAT_EQ(large[0], 0.70710678F);
}

}  // namespace
}  // namespace photovec
