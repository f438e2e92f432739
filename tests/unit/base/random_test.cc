// SPDX-License-Identifier: MIT
#include "base/random.h"

#include <gtest/gtest.h>

namespace photovec {
namespace {

// The first numbers of the authors' program (Vigna, splitmix64.c) from seed 1234567.
TEST(SplitMix64, KnownAnswers) {
  SplitMix64 random(1234567);
  EXPECT_EQ(random.Next(), 6457827717110365317U);
  EXPECT_EQ(random.Next(), 3203168211198807973U);
  EXPECT_EQ(random.Next(), 9817491932198370423U);
  EXPECT_EQ(MixBits(0), 0U);
}

}  // namespace
}  // namespace photovec
