// SPDX-License-Identifier: MIT
#include "pipeline/result_cache.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>
#include <cstring>
#include <limits>
#include <random>
#include <thread>
#include <vector>

namespace photovec::pipeline {
namespace {

constexpr size_t kDim = 256;  // much smaller vectors would be outweighed by their keys
// Below two shards' worth, so that the order of eviction is that of one queue.
constexpr uint64_t kOneShard = uint64_t{500} << 10;

CacheKey Key(uint64_t photo, int model = 0, Preprocessing preprocessing = Preprocessing::kModel) {
  CacheKey key;
  std::mt19937_64 random(photo);  // digests are uniform
  for (uint8_t& byte : key.digest) byte = static_cast<uint8_t>(random());
  key.model = model;
  key.preprocessing = preprocessing;
  return key;
}

std::vector<float> VectorOf(uint64_t photo, size_t dim = kDim) {
  std::vector<float> vector(dim);
  for (size_t i = 0; i < dim; ++i) vector[i] = static_cast<float>(photo % 100'000) + static_cast<float>(i);
  return vector;
}

bool Find(ResultCache& cache, uint64_t photo) {
  std::vector<float> vector;
  if (!cache.Find(Key(photo), vector)) return false;
  EXPECT_EQ(vector, VectorOf(photo)) << "photo " << photo << " has another one's vector";
  return true;
}

// As the pipeline does: what is not found is computed and kept.
bool Ask(ResultCache& cache, uint64_t photo) {
  if (Find(cache, photo)) return true;
  cache.Insert(Key(photo), VectorOf(photo));
  return false;
}

uint64_t CountFound(ResultCache& cache, uint64_t from, uint64_t to) {
  uint64_t found = 0;
  for (uint64_t photo = from; photo < to; ++photo) found += Find(cache, photo) ? 1 : 0;
  return found;
}

constexpr uint64_t kScan = 1'000'000;  // number of the first photo that nobody asks for again

TEST(ResultCache, GivesBackEveryBit) {
  ResultCache cache(1 << 20);
  const std::vector<float> odd = {-0.0F, std::numeric_limits<float>::denorm_min(), 1.0F / 3.0F, 3e38F};
  std::vector<float> found = {7.0F};
  EXPECT_FALSE(cache.Find(Key(1), found));
  cache.Insert(Key(1), odd);
  ASSERT_TRUE(cache.Find(Key(1), found));
  ASSERT_EQ(found.size(), odd.size());
  EXPECT_EQ(std::memcmp(found.data(), odd.data(), odd.size() * sizeof(float)), 0);
}

TEST(ResultCache, EveryPartOfTheKeyCounts) {
  ResultCache cache(1 << 20);
  CacheKey last_bit = Key(1);
  last_bit.digest[31] ^= 1;
  const std::vector<CacheKey> keys = {Key(1),
                                      Key(2),
                                      last_bit,
                                      Key(1, 1),
                                      Key(1, 0, Preprocessing::kReplacedService),
                                      Key(1, 1, Preprocessing::kReplacedService)};
  for (size_t i = 0; i < keys.size(); ++i) {
    std::vector<float> found;
    EXPECT_FALSE(cache.Find(keys[i], found)) << i;
    cache.Insert(keys[i], VectorOf(i));
  }
  for (size_t i = 0; i < keys.size(); ++i) {
    std::vector<float> found;
    ASSERT_TRUE(cache.Find(keys[i], found));
    EXPECT_EQ(found, VectorOf(i));
  }
  EXPECT_EQ(cache.stats().entries, keys.size());
}

TEST(ResultCache, AKeyKeepsItsFirstVector) {
  ResultCache cache(1 << 20);
  cache.Insert(Key(1), VectorOf(1));
  const uint64_t bytes = cache.stats().bytes;
  cache.Insert(Key(1), VectorOf(2));
  EXPECT_TRUE(Find(cache, 1));
  EXPECT_EQ(cache.stats().bytes, bytes);
  EXPECT_EQ(cache.stats().entries, 1U);
}

TEST(ResultCache, NeverHoldsMoreThanItsLimit) {
  constexpr uint64_t kLimit = uint64_t{5} << 20;
  ResultCache cache(kLimit);
  std::mt19937_64 random(1);
  uint64_t inserted = 0;
  for (int i = 0; i < 40'000; ++i) {
    const uint64_t photo = random() % 20'000;
    std::vector<float> found;
    const size_t dim = photo % 2 == 0 ? 512 : 64;  // two models
    if (!cache.Find(Key(photo), found)) {
      cache.Insert(Key(photo), VectorOf(photo, dim));
      ++inserted;
    } else {
      ASSERT_EQ(found, VectorOf(photo, dim));
    }
    ASSERT_LE(cache.stats().bytes, kLimit);
  }
  const CacheStats stats = cache.stats();
  EXPECT_GT(stats.bytes, kLimit * 9 / 10) << "it is full";
  EXPECT_EQ(stats.entries + stats.evictions, inserted);
}

// What the allocator says is the judge of what is counted. (A sanitizer's allocator says nothing: 0.)
TEST(ResultCache, CountsWhatItReallyTakes) {
  constexpr uint64_t kLimit = uint64_t{16} << 20;
  const uint64_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
  ResultCache cache(kLimit);
  for (uint64_t photo = 0; photo < 30'000; ++photo) {
    std::vector<float> found;
    cache.Insert(Key(photo), VectorOf(photo, 512));
    for (int i = 0; i < 3 && photo % 3 == 0; ++i) cache.Find(Key(photo), found);
  }
  const uint64_t after = mallinfo2().uordblks + mallinfo2().hblkhd;
  const CacheStats stats = cache.stats();
  EXPECT_GT(stats.entries * 512 * sizeof(float), kLimit * 8 / 10) << "most of it is vectors";
  EXPECT_LE(stats.entries * ResultCache::EntryBytes(512), stats.bytes);
  EXPECT_EQ(ResultCache::EntryBytes(512), 2208U) << "docs/operations.md says so";
  EXPECT_LE(after - before, kLimit + kLimit / 100);
}

TEST(ResultCache, AVectorLargerThanItIsNotKept) {
  ResultCache cache(4096);
  cache.Insert(Key(1), VectorOf(1, 5000));
  std::vector<float> found;
  EXPECT_FALSE(cache.Find(Key(1), found));
  EXPECT_EQ(cache.stats().bytes, 0U);
  EXPECT_FALSE(Ask(cache, 2));
  EXPECT_TRUE(Ask(cache, 2));
}

TEST(ResultCache, ABulkScanDoesNotFlushWhatIsAskedForAgain) {
  ResultCache cache(kOneShard);
  const uint64_t room = kOneShard / ResultCache::EntryBytes(kDim);
  const uint64_t hot = room / 2;
  for (int round = 0; round < 3; ++round) {
    for (uint64_t photo = 0; photo < hot; ++photo) Ask(cache, photo);
  }
  for (uint64_t i = 0; i < 20 * room; ++i) EXPECT_FALSE(Ask(cache, kScan + i));
  EXPECT_EQ(CountFound(cache, 0, hot), hot);
}

// A client that asks for each photo of its scan twice in a row has no more right to the room.
TEST(ResultCache, AScanWithRepeatsDoesNotFlushItEither) {
  ResultCache cache(kOneShard);
  const uint64_t room = kOneShard / ResultCache::EntryBytes(kDim);
  const uint64_t hot = room / 2;
  for (int round = 0; round < 3; ++round) {
    for (uint64_t photo = 0; photo < hot; ++photo) Ask(cache, photo);
  }
  for (uint64_t i = 0; i < 20 * room; ++i) {
    EXPECT_FALSE(Ask(cache, kScan + i));
    EXPECT_TRUE(Ask(cache, kScan + i));
  }
  EXPECT_EQ(CountFound(cache, 0, hot), hot);
}

TEST(ResultCache, APhotoThatComesBackSoonAfterItLeftStaysLonger) {
  ResultCache cache(kOneShard);
  const uint64_t room = kOneShard / ResultCache::EntryBytes(kDim);
  uint64_t scan = kScan;
  const auto scan_once = [&] {
    for (uint64_t i = 0; i < room + room / 4; ++i) Ask(cache, scan++);
  };
  Ask(cache, 1);
  scan_once();
  EXPECT_FALSE(Ask(cache, 1)) << "it was asked for once, and left";
  for (int i = 0; i < 10; ++i) scan_once();
  EXPECT_TRUE(Ask(cache, 1)) << "it came back, which no photo of the scan did";
}

TEST(ResultCache, WhatWasHotOnceMakesRoomForWhatIsHotNow) {
  ResultCache cache(kOneShard);
  const uint64_t room = kOneShard / ResultCache::EntryBytes(kDim);
  const uint64_t hot = room * 7 / 10;
  for (int round = 0; round < 5; ++round) {
    for (uint64_t photo = 0; photo < hot; ++photo) Ask(cache, photo);
  }
  for (int round = 0; round < 20; ++round) {
    for (uint64_t photo = hot; photo < 2 * hot; ++photo) Ask(cache, photo);
  }
  EXPECT_GT(CountFound(cache, hot, 2 * hot), hot * 95 / 100);
  EXPECT_LT(CountFound(cache, 0, hot), hot / 2);
}

TEST(ResultCache, ManyThreadsAgree) {
  constexpr uint64_t kLimit = uint64_t{1} << 20;  // 4 shards, always full
  ResultCache cache(kLimit);
  std::atomic<uint64_t> inserted{0};
  std::atomic<uint64_t> wrong{0};
  std::atomic<uint64_t> found_count{0};
  const auto work = [&](uint64_t seed) {
    std::mt19937_64 random(seed);
    std::vector<float> found;
    for (int i = 0; i < 20'000; ++i) {
      const uint64_t photo = random() % 10'000 % (random() % 10'000 + 1);  // low numbers more often
      if (cache.Find(Key(photo), found)) {
        ++found_count;
        if (found != VectorOf(photo)) ++wrong;
      } else {
        cache.Insert(Key(photo), VectorOf(photo));
        ++inserted;
      }
      if (i % 64 == 0 && cache.stats().bytes > kLimit) ++wrong;
    }
  };
  std::vector<std::thread> threads;
  for (uint64_t seed = 0; seed < 6; ++seed) threads.emplace_back(work, seed);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0U);
  EXPECT_GT(found_count, 0U);
  const CacheStats stats = cache.stats();
  EXPECT_GT(stats.evictions, 0U);
  EXPECT_LE(stats.entries + stats.evictions, inserted) << "two may have inserted the same";
}

}  // namespace
}  // namespace photovec::pipeline
