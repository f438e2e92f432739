// SPDX-License-Identifier: MIT
#include "model/fold/e4m3.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace photovec::encode {
namespace {

TEST(E4M3, HasTheValuesOfTheSpecification) {
  EXPECT_EQ(model::E4M3ToFloat(0x00), 0);
  EXPECT_EQ(model::E4M3ToFloat(0x01), 0x1p-9F);
  EXPECT_EQ(model::E4M3ToFloat(0x07), 7 * 0x1p-9F);
  EXPECT_EQ(model::E4M3ToFloat(0x08), 0x1p-6F);
  EXPECT_EQ(model::E4M3ToFloat(0x38), 1);
  EXPECT_EQ(model::E4M3ToFloat(0x3C), 1.5F);
  EXPECT_EQ(model::E4M3ToFloat(0xC0), -2);
  EXPECT_EQ(model::E4M3ToFloat(0x7E), 448);
  EXPECT_TRUE(std::isnan(model::E4M3ToFloat(0x7F)));
}

TEST(E4M3, EveryCodeComesBack) {
  for (int code = 0; code < 256; ++code) {
    const auto byte = static_cast<uint8_t>(code);
    EXPECT_EQ(model::FloatToE4M3(model::E4M3ToFloat(byte)) & 0x7F, code & 0x7F) << code;
    if ((code & 0x7F) != 0x7F) {
      EXPECT_EQ(model::FloatToE4M3(model::E4M3ToFloat(byte)), code);
    }
  }
}

TEST(E4M3, RoundsToNearestAndTiesToEven) {
  for (int code = 0; code < 0x7E; ++code) {
    const float low = model::E4M3ToFloat(static_cast<uint8_t>(code));
    const float high = model::E4M3ToFloat(static_cast<uint8_t>(code + 1));
    ASSERT_LT(low, high);
    const float middle = (low + high) / 2;
    EXPECT_EQ(model::FloatToE4M3(middle), code % 2 == 0 ? code : code + 1) << code;
    EXPECT_EQ(model::FloatToE4M3(std::nextafter(middle, 0.0F)), code) << code;
    EXPECT_EQ(model::FloatToE4M3(std::nextafter(middle, 1000.0F)), code + 1) << code;
    EXPECT_EQ(model::FloatToE4M3(-std::nextafter(middle, 1000.0F)), (code + 1) | 0x80) << code;
  }
}

TEST(E4M3, SaturatesAndKeepsNan) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float large : {448.0F, 449.0F, 464.0F, 1e9F, kInfinity}) {
    EXPECT_EQ(model::FloatToE4M3(large), 0x7E);
    EXPECT_EQ(model::FloatToE4M3(-large), 0xFE);
  }
  EXPECT_EQ(model::FloatToE4M3(std::numeric_limits<float>::quiet_NaN()) & 0x7F, 0x7F);
  EXPECT_EQ(model::FloatToE4M3(std::numeric_limits<float>::denorm_min()), 0);
}

TEST(E4M3, RowsAreScaledByTheirLargestValue) {
  constexpr size_t kDepth = 64;
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> values(4 * kDepth);
  for (size_t i = 0; i < values.size(); ++i) values[i] = normal(random) * (i / kDepth == 1 ? 1e-12F : 30.0F);
  std::fill_n(values.begin() + 2 * kDepth, kDepth, 0.0F);
  const model::E4M3Rows rows = model::QuantizeToE4M3(values, 4);
  ASSERT_EQ(rows.codes.size(), values.size());
  ASSERT_EQ(rows.scales.size(), 4U);
  for (size_t r = 0; r < 4; ++r) {
    for (size_t k = 0; k < kDepth; ++k) {
      const float value = values[r * kDepth + k];
      const float back = model::E4M3ToFloat(rows.codes[r * kDepth + k]) * rows.scales[r];
      EXPECT_LE(std::abs(back - value), std::abs(value) / 16 + rows.scales[r] * 0x1p-10F) << r << " " << k;
    }
  }
  EXPECT_EQ(rows.scales[2], 0);
}

}  // namespace
}  // namespace photovec::encode
