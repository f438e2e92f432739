// SPDX-License-Identifier: MIT
#include "preprocess/squash.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace photovec::preprocess {
namespace {

constexpr float kScale = 2048.0F;  // 11 bits; 22 after both passes

/// OpenCV's cubic with a = -0.75 at a fraction 0 <= t < 1 between pixels 1 and 2 of the four, in float as
/// there.
std::array<float, 4> CubicWeights(float t) {
  constexpr float a = -0.75F;
  std::array<float, 4> w{};
  w[0] = ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a;
  w[1] = ((a + 2) * t - (a + 3)) * t * t + 1;
  w[2] = ((a + 2) * (1 - t) - (a + 3)) * (1 - t) * (1 - t) + 1;
  w[3] = 1.0F - w[0] - w[1] - w[2];
  return w;
}

}  // namespace

std::vector<CubicTap> BuildCubicTaps(const AxisKey& key) {
  const double scale = 1.0 / (static_cast<double>(key.out_size) / key.in_size);
  std::vector<CubicTap> taps(static_cast<size_t>(key.out_size));
  for (size_t i = 0; i < taps.size(); ++i) {
    const auto position = static_cast<float>((static_cast<double>(i) + 0.5) * scale - 0.5);
    const float below = std::floor(position);
    const std::array<float, 4> weights = CubicWeights(position - below);
    CubicTap& tap = taps[i];
    tap.first = static_cast<int>(below) - 1;
    for (size_t k = 0; k < 4; ++k) tap.coefs[k] = static_cast<int16_t>(std::nearbyint(weights[k] * kScale));
    if (key.mirrored) {
      tap.first = key.in_size - 4 - tap.first;
      std::reverse(std::begin(tap.coefs), std::end(tap.coefs));
    }
  }
  return taps;
}

void Squasher::Run(const RgbView& pixels, const ResizePlan& plan, uint8_t* out) {
  const auto size = static_cast<size_t>(plan.x.key.out_size);
  // Without rounding between the passes their order is free, so both run in source terms, and only finished
  // pixels are transposed.
  columns_ = BuildCubicTaps(plan.transposed ? plan.y.key : plan.x.key);
  rows_ = BuildCubicTaps(plan.transposed ? plan.x.key : plan.y.key);
  const size_t lanes = RoundUpLanes(4 * size);
  int32_t* const sums = sums_.Reserve(4 * lanes);
  uint8_t* const line = line_.Reserve(lanes);
  int held[4] = {-1, -1, -1, -1};  // the source row whose sums slot (row % 4) holds
  for (size_t i = 0; i < size; ++i) {
    const int32_t* inputs[4];
    for (int k = 0; k < 4; ++k) {
      const int row = std::clamp(rows_[i].first + k, 0, pixels.height - 1);
      const auto slot = static_cast<size_t>(row % 4);
      if (held[slot] != row) {
        SquashColumns(columns_.data(), size, pixels.Row(row), pixels.width, sums + slot * lanes);
        held[slot] = row;
      }
      inputs[k] = sums + slot * lanes;
    }
    SquashRows(rows_[i], inputs, lanes, line);
    const size_t step = plan.transposed ? size * 3 : 3;
    uint8_t* to = out + i * (plan.transposed ? 3 : size * 3);
    for (size_t j = 0; j < size; ++j, to += step) std::copy_n(line + 4 * j, 3, to);
  }
}

}  // namespace photovec::preprocess
