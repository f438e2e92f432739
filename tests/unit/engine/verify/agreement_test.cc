// SPDX-License-Identifier: MIT
#include "engine/verify/agreement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace photovec::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<float> Noise(size_t values, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> out(values);
  for (float& value : out) value = normal(random);
  return out;
}

TEST(Compare, LengthsDoNotMatter) {
  const std::vector<float> a = Noise(std::size_t{20} * 8, 1);
  std::vector<float> b = a;
  for (float& value : b) value *= 7;
  const Agreement same = Compare(a, b, 8);
  EXPECT_EQ(same.count, 20U);
  EXPECT_NEAR(same.least_cosine, 1, 1e-12);
  EXPECT_NEAR(same.error_over_distance, 0, 1e-6);
  EXPECT_EQ(same.overlap_at_10, 1);
}

TEST(Compare, KnownAngles) {
  const std::vector<float> a = {1, 0, 0, 1, 1, 0};
  const std::vector<float> b = {1, 1, 0, 2, 3, 0};
  const Agreement agreement = Compare(a, b, 2);
  EXPECT_NEAR(agreement.least_cosine, std::sqrt(0.5), 1e-7);
  EXPECT_EQ(agreement.median_cosine, 1);
  EXPECT_LT(agreement.overlap_at_10, 0) << "three photos have no ten nearest";
  // Distances between different ones: sqrt 2, 0, sqrt 2.
  EXPECT_NEAR(agreement.error_over_distance, std::sqrt(2 - std::sqrt(2.0)) / std::sqrt(2.0), 1e-6);
  const Agreement one = Compare(std::vector<float>{3, 4}, std::vector<float>{4, 3}, 2);
  EXPECT_NEAR(one.least_cosine, 24.0 / 25, 1e-7);
  EXPECT_EQ(one.error_over_distance, 0);
}

TEST(Compare, OverlapCountsNeighbours) {
  // 24 directions in a plane, 5 degrees apart; in the second set the first and the last change places.
  constexpr size_t kCount = 24;
  std::vector<float> a;
  for (size_t i = 0; i < kCount; ++i) {
    const double angle = 0.0873 * static_cast<double>(i);
    a.push_back(static_cast<float>(std::cos(angle)));
    a.push_back(static_cast<float>(std::sin(angle)));
  }
  std::vector<float> b = a;
  std::swap(b[0], b[2 * kCount - 2]);
  std::swap(b[1], b[2 * kCount - 1]);
  const Agreement agreement = Compare(a, b, 2);
  EXPECT_GT(agreement.overlap_at_10, 0.8);
  EXPECT_LT(agreement.overlap_at_10, 0.97);
}

TEST(Depths, EvenlyAndTheLast) {
  EXPECT_THAT(Depths(12, 6), ElementsAre(2, 4, 6, 8, 10, 12));
  EXPECT_THAT(Depths(3, 6), ElementsAre(1, 2, 3));
  EXPECT_THAT(Depths(27, 6), ElementsAre(4, 9, 13, 18, 22, 27));
  EXPECT_THAT(Depths(1, 6), ElementsAre(1));
}

TensorView View(const char* name, const std::vector<float>& values, std::vector<int64_t> shape) {
  return {name, DType::kF32, std::move(shape), values.data()};
}

TEST(ScanWeights, NamesWhatIsBroken) {
  std::vector<float> good = {1, -2, 0.5F, 1};
  std::vector<float> bad = {1, std::numeric_limits<float>::quiet_NaN(),
                            std::numeric_limits<float>::infinity(), 1};
  const std::vector<float> zeros(4);
  model::VisionModel model;
  model.weights.patch = View("patch", good, {1, 1, 2, 2});
  model.weights.blocks.resize(2);
  model.weights.blocks[1].q.weight = View("blocks.1.q", good, {2, 2});
  model.weights.blocks[1].q.bias = View("blocks.1.q.bias", zeros, {4});
  WeightScan scan = ScanWeights(model, nullptr);
  EXPECT_EQ(scan.tensors, 3U);
  EXPECT_EQ(scan.values, 12);
  EXPECT_THAT(scan.broken, IsEmpty()) << "a bias of zeros is nothing special";
  EXPECT_EQ(scan.largest_value, 2);
  EXPECT_NEAR(scan.widest_ratio, 2 / std::sqrt(6.25 / 4), 1e-9);

  model.weights.blocks[1].fc2.weight = View("blocks.1.fc2", bad, {2, 2});
  model.weights.blocks[0].fc1.weight = View("blocks.0.fc1", zeros, {2, 2});
  scan = ScanWeights(model, nullptr);
  EXPECT_THAT(scan.broken, ElementsAre("blocks.0.fc1: all of 4 values are zero",
                                       "blocks.1.fc2: 2 of 4 values are NaN or infinite"));

  model::TextModel text;
  text.weights.token_embedding = View("tokens", bad, {2, 2});
  EXPECT_THAT(ScanWeights(model, &text).broken, ::testing::Contains(HasSubstr("tokens: 2 of 4")));
}

}  // namespace
}  // namespace photovec::engine
