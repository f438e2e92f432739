// SPDX-License-Identifier: MIT
#include "device/cuda/reuse_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <thread>
#include <vector>

namespace photovec::device {
namespace {

class ReusePoolTest : public testing::Test {
 protected:
  std::unique_ptr<ReusePool> Make(size_t most_idle = 64 << 20) {
    ReusePool::Backing backing;
    backing.allocate = [this](size_t bytes) -> void* {
      if (bytes > room_) return nullptr;
      room_ -= bytes;
      void* block = std::malloc(bytes);
      blocks_[block] = bytes;
      return block;
    };
    backing.release = [this](void* block) {
      ASSERT_EQ(blocks_.count(block), 1U) << "released twice, or never made";
      room_ += blocks_[block];
      blocks_.erase(block);
      std::free(block);
    };
    return std::make_unique<ReusePool>(std::move(backing), most_idle);
  }
  size_t room_ = size_t{1} << 30;
  std::map<void*, size_t> blocks_;
};

TEST_F(ReusePoolTest, BlocksHaveRoomAndWasteLittle) {
  for (size_t bytes : {0UL, 1UL, 4096UL, 4097UL, 5000UL, 8192UL, 8193UL, 1000000UL, 123456789UL}) {
    EXPECT_GE(ReusePool::Rounded(bytes), bytes);
    EXPECT_LE(ReusePool::Rounded(bytes), std::max<size_t>(4096, bytes + bytes / 4));
    EXPECT_EQ(ReusePool::Rounded(ReusePool::Rounded(bytes)), ReusePool::Rounded(bytes));
  }
}

TEST_F(ReusePoolTest, ASteadyLoadAsksTheBackingForNothing) {
  const auto pool = Make();
  const size_t sizes[] = {100, 6'000'000, 6'000'000, 300'000};
  for (int batch = 0; batch < 5; ++batch) {
    std::vector<void*> taken;
    for (const size_t size : sizes) taken.push_back(pool->Allocate(size - static_cast<size_t>(batch)));
    EXPECT_EQ(std::set<void*>(taken.begin(), taken.end()).size(), taken.size());
    for (void* block : taken) EXPECT_TRUE(pool->Free(block));
    pool->Settle();
    EXPECT_EQ(pool->counts().allocated, 4) << "batch " << batch;
  }
  EXPECT_EQ(pool->counts().lent, 0);
}

TEST_F(ReusePoolTest, WhatMayStillBeInUseIsNotLentAgain) {
  const auto pool = Make();
  void* first = pool->Allocate(10'000);
  EXPECT_TRUE(pool->Free(first));
  void* second = pool->Allocate(10'000);
  EXPECT_NE(second, first);
  pool->Settle();
  EXPECT_EQ(pool->Allocate(10'000), first);
}

TEST_F(ReusePoolTest, SmallRequestsDoNotEatLargeBlocks) {
  const auto pool = Make();
  void* large = pool->Allocate(1'000'000);
  pool->Free(large);
  pool->Settle();
  EXPECT_NE(pool->Allocate(100'000), large);
  EXPECT_EQ(pool->Allocate(900'000), large);
}

TEST_F(ReusePoolTest, IdleMemoryHasALimitAndTheLongestUnusedGoesFirst) {
  const auto pool = Make(3 << 20);
  void* old = pool->Allocate(1 << 20);
  pool->Free(old);
  pool->Settle();
  std::vector<void*> young;
  for (int i = 0; i < 3; ++i) young.push_back(pool->Allocate((1 << 20) + (1 << 19)));
  for (void* block : young) pool->Free(block);
  EXPECT_EQ(blocks_.size(), 4U);
  for (int64_t i = 0; i < ReusePool::kForgetAfter; ++i) {  // 5.5 MiB idle
    EXPECT_EQ(blocks_.size(), 4U) << "kept for a while, after " << i;
    pool->Settle();
  }
  EXPECT_EQ(blocks_.count(old), 0U);
  EXPECT_EQ(blocks_.size(), 3U);
  pool->Settle();
  EXPECT_EQ(blocks_.size(), 2U);
  EXPECT_EQ(pool->counts().bytes, 3U << 20);
}

TEST_F(ReusePoolTest, ASteadyLoadBeyondTheLimitIsStillReused) {
  const auto pool = Make(1 << 20);
  for (int batch = 0; batch < 100; ++batch) {
    void* large = pool->Allocate(8 << 20);
    pool->Free(large);
    pool->Settle();
  }
  EXPECT_EQ(pool->counts().allocated, 1);
}

TEST_F(ReusePoolTest, WithoutMemoryWhatIsIdleGoesBackFirst) {
  room_ = 10 << 20;
  const auto pool = Make();
  void* block = pool->Allocate(8 << 20);
  EXPECT_EQ(pool->Allocate(4 << 20), nullptr);
  pool->Free(block);
  EXPECT_EQ(pool->Allocate(4 << 20), nullptr) << "it rests";
  pool->Settle();
  EXPECT_NE(pool->Allocate(3 << 20), nullptr);
  EXPECT_EQ(blocks_.size(), 1U);
}

TEST_F(ReusePoolTest, AForeignBlockIsRefused) {
  const auto pool = Make();
  int own = 0;
  EXPECT_FALSE(pool->Free(&own));
  void* block = pool->Allocate(1);
  EXPECT_TRUE(pool->Free(block));
  EXPECT_FALSE(pool->Free(block)) << "twice";
}

TEST_F(ReusePoolTest, AllGoesBackInTheEnd) {
  auto pool = Make();
  (void)pool->Allocate(5000);
  pool->Free(pool->Allocate(6000));
  pool->Settle();
  pool->Free(pool->Allocate(70'000));
  EXPECT_EQ(blocks_.size(), 3U);
  pool.reset();
  EXPECT_TRUE(blocks_.empty());
}

// nvJPEG's own threads may ask, too. What each was lent is its own.
TEST_F(ReusePoolTest, ThreadsShareIt) {
  const auto pool = Make();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 500; ++i) {
        auto* mine = static_cast<int*>(pool->Allocate(4096));
        *mine = t;
        std::this_thread::yield();
        EXPECT_EQ(*mine, t);
        pool->Free(mine);
        if (i % 50 == 0) pool->Settle();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(pool->counts().lent, 0);
}

}  // namespace
}  // namespace photovec::device
