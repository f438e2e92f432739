// SPDX-License-Identifier: MIT
#include "decode/decode_memory.h"

#include <gtest/gtest.h>

#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace photovec::decode {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

TEST(DecodeMemory, EveryDecoderHasItsOwnAndBigPhotosShareTheRest) {
  DecodeMemory memory(1'000 * kMiB, 4);
  EXPECT_EQ(memory.own_bytes(), 64 * kMiB);
  EXPECT_EQ(memory.largest_bytes(), (1'000 - 3 * 64) * kMiB);
  EXPECT_EQ(memory.used_bytes(), 4 * 64 * kMiB);
  auto first = memory.TryTake(396 * kMiB);  // 332 of the common 744
  auto second = memory.TryTake(396 * kMiB);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(memory.used_bytes(), (4 * 64 + 664) * kMiB);
  EXPECT_FALSE(memory.TryTake(196 * kMiB));
  EXPECT_TRUE(memory.TryTake(64 * kMiB)) << "a small one fits at any time";
  EXPECT_TRUE(memory.TryTake(112 * kMiB)) << "and what is left is for whoever it is enough for";
  first.reset();
  EXPECT_TRUE(memory.TryTake(396 * kMiB));
}

TEST(DecodeMemory, TheLargestPhotoGetsAllAndNothingIsLost) {
  DecodeMemory memory(1'000 * kMiB, 4);
  const int64_t at_rest = memory.used_bytes();
  {
    auto all = memory.TryTake(memory.largest_bytes() + 5 * kMiB);
    ASSERT_TRUE(all) << "no more than the largest is taken";
    EXPECT_EQ(memory.used_bytes(), memory.total_bytes());
    DecodeMemory::Share moved = std::move(*all);
    all.reset();
    EXPECT_EQ(memory.used_bytes(), memory.total_bytes()) << "a share that moved gives nothing back";
  }
  EXPECT_EQ(memory.used_bytes(), at_rest);
}

TEST(DecodeMemory, OnALittleMachineHalfIsCommon) {
  DecodeMemory memory(64 * kMiB, 8);
  EXPECT_EQ(memory.own_bytes(), 4 * kMiB);
  EXPECT_EQ(memory.largest_bytes(), 36 * kMiB);
}

TEST(DecodeMemory, ThreadsNeverTakeMoreThanThereIs) {
  DecodeMemory memory(1'000 * kMiB, 4);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&memory, i] {
      for (int round = 0; round < 20'000; ++round) {
        const auto share = memory.TryTake((97 + (i * 131 + round) % 600) * kMiB);
        ASSERT_LE(memory.used_bytes(), memory.total_bytes());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(memory.used_bytes(), 4 * 64 * kMiB);
}

}  // namespace
}  // namespace photovec::decode
