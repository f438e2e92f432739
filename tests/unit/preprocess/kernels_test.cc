// SPDX-License-Identifier: MIT
#include "preprocess/kernels.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "preprocess/aligned_buffer.h"
#include "preprocess/kernels_scalar.h"
#include "preprocess/resize.h"
#include "preprocess/taps.h"
#include "resize_oracle.h"

namespace photovec::preprocess {
namespace {

/// Runs each test once per instruction set that this CPU has, from the widest to plain loops.
class KernelsTest : public ::testing::TestWithParam<int64_t> {
 protected:
  void SetUp() override { Use(GetParam()); }
  void TearDown() override { Use(0); }
  static void Use(int64_t target) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }

  uint8_t Byte() { return static_cast<uint8_t>(random_()); }
  int Below(int limit) { return static_cast<int>(random_() % static_cast<unsigned>(limit)); }

  std::mt19937 random_{42};
};

std::vector<int64_t> Targets() {
  std::vector<int64_t> targets;
  int64_t supported = hwy::SupportedTargets() & HWY_TARGETS;  // of those that kernels.cc has
  while (supported != 0) {
    const int64_t lowest = supported & -supported;
    targets.push_back(lowest);
    supported &= supported - 1;
  }
  return targets;
}

INSTANTIATE_TEST_SUITE_P(Targets, KernelsTest, ::testing::ValuesIn(Targets()),
                         [](const auto& info) { return std::string(hwy::TargetName(info.param)); });

AxisKey Key(int in, int out, Filter filter, bool mirrored = false) {
  AxisKey key;
  key.in_size = in;
  key.box_end = static_cast<float>(in);
  key.out_size = key.out_count = out;
  key.filter = filter;
  key.mirrored = mirrored;
  return key;
}

TEST_P(KernelsTest, PackColumns) {
  for (const int pairs : {1, 3, 4, 5, 8, 21}) {
    for (int missing = 0; missing < 8; ++missing) {
      const size_t bytes = static_cast<size_t>(std::max(1, pairs * 6 - missing));
      std::vector<std::vector<uint8_t>> rows(kBlockRows, std::vector<uint8_t>(bytes));
      std::array<const uint8_t*, kBlockRows> pointers{};
      for (size_t r = 0; r < kBlockRows; ++r) {
        for (uint8_t& value : rows[r]) value = Byte();
        pointers[r] = rows[r].data();
      }
      AlignedBuffer<int16_t> got, want;
      const size_t size = PackedColumnsSize(pairs);
      PackColumns(pointers.data(), bytes, pairs, got.Reserve(size));
      scalar::PackColumns(pointers.data(), bytes, pairs, want.Reserve(size));
      EXPECT_TRUE(std::equal(got.data(), got.data() + size, want.data())) << pairs << " " << bytes;
    }
  }
}

TEST_P(KernelsTest, FilterColumns) {
  for (const Filter filter : {Filter::kBilinear, Filter::kBicubic, Filter::kLanczos}) {
    for (const auto& [in, out] : {std::pair{100, 7}, {9, 33}, {3000, 4}, {1, 3}}) {
      const TapTable table = BuildTapTable(Key(in, out, filter, out == 7));
      AlignedBuffer<int16_t> packed, got, want;
      const size_t size = PackedColumnsSize(table.in_pairs());
      packed.Reserve(size);
      // Extremes most of the time: sums reach their largest values.
      for (size_t i = 0; i < size; ++i) {
        packed.data()[i] = std::array<int16_t, 3>{0, 255, Byte()}[static_cast<size_t>(Below(3))];
      }
      const auto values = static_cast<size_t>(out) * 3 * kBlockRows;
      FilterColumns(table, packed.data(), got.Reserve(values));
      scalar::FilterColumns(table, packed.data(), want.Reserve(values));
      EXPECT_TRUE(std::equal(got.data(), got.data() + values, want.data())) << in << " to " << out;
    }
  }
}

TEST_P(KernelsTest, BlockTranspositions) {
  constexpr int kOuts = 12;
  constexpr size_t kLanes = kOuts * 3;
  AlignedBuffer<int16_t> block;
  block.Reserve(kLanes * kBlockRows);
  for (size_t i = 0; i < kLanes * kBlockRows; ++i) block.data()[i] = Byte();
  AlignedBuffer<int32_t> got, want;
  std::array<int32_t*, kBlockPairs> got_rows{}, want_rows{};
  for (size_t q = 0; q < kBlockPairs; ++q) {
    got_rows[q] = got.Reserve(kLanes * kBlockPairs) + q * kLanes;
    want_rows[q] = want.Reserve(kLanes * kBlockPairs) + q * kLanes;
  }
  BlockToPairRows(block.data(), kLanes, got_rows.data());
  scalar::BlockToPairRows(block.data(), kLanes, want_rows.data());
  EXPECT_TRUE(std::equal(got.data(), got.data() + kLanes * kBlockPairs, want.data()));

  constexpr size_t kStride = 3 * kBlockRows + 5;
  std::vector<uint8_t> got_pixels(kOuts * kStride), want_pixels(kOuts * kStride);
  BlockToPixels(block.data(), kOuts, got_pixels.data(), kStride);
  scalar::BlockToPixels(block.data(), kOuts, want_pixels.data(), kStride);
  EXPECT_EQ(got_pixels, want_pixels);
}

TEST_P(KernelsTest, PackAndFilterRows) {
  const TapTable table = BuildTapTable(Key(40, 3, Filter::kLanczos));
  for (const size_t lanes : {size_t{16}, size_t{48}, size_t{64}, size_t{80}, size_t{672}}) {
    std::vector<AlignedBuffer<int32_t>> memory(static_cast<size_t>(table.max_pairs));
    std::vector<const int32_t*> rows;
    for (AlignedBuffer<int32_t>& row : memory) {
      std::vector<uint8_t> first(lanes - 3), second(lanes - 3);
      for (uint8_t& value : first) value = Below(2) == 0 ? 255 : Byte();
      for (uint8_t& value : second) value = Below(2) == 0 ? 0 : Byte();
      PackRows(first.data(), second.data(), lanes - 3, row.Reserve(lanes));
      std::vector<int32_t> want(lanes);
      scalar::PackRows(first.data(), second.data(), lanes - 3, want.data());
      EXPECT_TRUE(std::equal(want.begin(), want.end(), row.data()));
      rows.push_back(row.data());
    }
    for (const Tap& tap : table.taps) {
      const int32_t* coefs = table.coefs.data() + tap.coefs;
      std::vector<uint8_t> got(lanes), want(lanes);
      FilterRow(tap, coefs, rows.data(), lanes, got.data());
      scalar::FilterRow(tap, coefs, rows.data(), lanes, want.data());
      EXPECT_EQ(got, want);
    }
  }
}

TEST_P(KernelsTest, Squash) {
  constexpr size_t kCount = 50;
  for (const int width : {1, 2, 5, 6, 9, 40}) {
    std::vector<uint8_t> row(static_cast<size_t>(width) * 3);
    for (uint8_t& value : row) value = Below(2) == 0 ? 255 : Byte();
    std::vector<CubicTap> taps(kCount);
    for (CubicTap& tap : taps) {
      tap.first = Below(width + 4) - 4;
      tap.coefs[0] = tap.coefs[3] = static_cast<int16_t>(-Below(200));
      tap.coefs[1] = static_cast<int16_t>(Below(2048));
      tap.coefs[2] = static_cast<int16_t>(2048 - tap.coefs[0] - tap.coefs[1] - tap.coefs[3]);
    }
    constexpr size_t kLanes = RoundUpLanes(4 * kCount);
    std::vector<int32_t> sums(kLanes), want_sums(kLanes);
    SquashColumns(taps.data(), kCount, row.data(), width, sums.data());
    scalar::SquashColumns(taps.data(), kCount, row.data(), width, want_sums.data());
    EXPECT_EQ(sums, want_sums);
    std::vector<uint8_t> got(kLanes), want(kLanes);
    const std::array<const int32_t*, 4> inputs{sums.data(), sums.data(), sums.data(), sums.data()};
    SquashRows(taps[0], inputs.data(), kLanes, got.data());
    scalar::SquashRows(taps[0], inputs.data(), kLanes, want.data());
    EXPECT_EQ(got, want);
  }
}

// The whole way on each instruction set, against the oracle.
TEST_P(KernelsTest, WholePhoto) {
  const oracle::Image stored = oracle::Noise(333, 250, 11);
  Preprocessor preprocessor;
  for (const int orientation : {1, 3, 5, 6}) {
    DecodedPhoto photo;
    photo.pixels = stored.view();
    photo.full_width = stored.width;
    photo.full_height = stored.height;
    photo.orientation = orientation;
    Spec spec;
    spec.resize_short = 60;
    spec.crop = 50;
    oracle::Image out(spec.crop, spec.crop);
    ASSERT_TRUE(preprocessor.Run(photo, spec, out.pixels).ok());
    EXPECT_TRUE(out == oracle::Preprocess(photo, stored, spec)) << "orientation " << orientation;
  }
}

struct TapCase {
  Filter filter;
  int in;
  int out;
  bool mirrored;
  int denominator;
};

std::vector<TapCase> TapCases() {
  std::vector<TapCase> cases;
  for (const Filter filter : {Filter::kBilinear, Filter::kBicubic, Filter::kLanczos}) {
    for (const auto& [in, out] : {std::pair{640, 224}, {10, 224}, {4000, 3}}) {
      for (const bool mirrored : {false, true}) {
        for (const int denominator : {1, 2, 8}) cases.push_back({filter, in, out, mirrored, denominator});
      }
    }
  }
  return cases;
}

TEST(Taps, DigitsRebuildTheCoefficients) {
  for (const auto& [filter, in, out, mirrored, denominator] : TapCases()) {
    AxisKey key = Key(in, out, filter, mirrored);
    key.denominator = denominator;
    const TapTable table = BuildTapTable(key);
    int last_pair = 0;
    for (const Tap& tap : table.taps) {
      const oracle::Line line =
          oracle::Coefficients(filter, in, 0, static_cast<float>(in), out, tap.out, denominator);
      std::vector<int64_t> want(static_cast<size_t>(table.end_in - table.first_in + 2));
      for (size_t k = 0; k < line.coefs.size(); ++k) {
        const int at = line.first + static_cast<int>(k);
        want[static_cast<size_t>((mirrored ? in - 1 - at : at) - table.first_in)] = line.coefs[k];
      }
      std::vector<int64_t> got(want.size());
      for (int p = 0; p < tap.pairs; ++p) {
        const int32_t high = table.coefs[tap.coefs + static_cast<size_t>(2 * p)];
        const int32_t low = table.coefs[tap.coefs + static_cast<size_t>(2 * p) + 1];
        EXPECT_LE(std::abs(static_cast<int16_t>(low)), 1024);
        EXPECT_LE(std::abs(low >> 16), 1024);
        const auto at = static_cast<size_t>(2 * (tap.first_pair + p));
        got[at] = static_cast<int16_t>(high) * 2048 + static_cast<int16_t>(low);
        got[at + 1] = (high >> 16) * 2048 + (low >> 16);
      }
      EXPECT_EQ(got, want);
      EXPECT_GE(tap.first_pair, last_pair);
      last_pair = tap.first_pair;
    }
  }
}

TEST(Taps, CacheReturnsWhatItWasAskedFor) {
  TapCache cache;
  for (int round = 0; round < 3; ++round) {
    for (int in = 10; in < 30; ++in) {
      const TapTable& first = cache.Get(Key(in, 5, Filter::kBicubic));
      const TapTable& second = cache.Get(Key(in + 100, 7, Filter::kBicubic));
      EXPECT_EQ(first.end_in, in);
      EXPECT_EQ(second.end_in, in + 100);
      EXPECT_EQ(&first, &cache.Get(Key(in, 5, Filter::kBicubic))) << "kept, not computed again";
      EXPECT_NE(&first, &cache.Get(Key(in, 5, Filter::kBilinear)));
    }
  }
}

}  // namespace
}  // namespace photovec::preprocess
