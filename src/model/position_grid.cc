// SPDX-License-Identifier: MIT
#include "model/position_grid.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace photovec::model {
namespace {

/// One output row or column: weights of input rows first, first + 1, ...
struct Taps {
  int first = 0;
  std::vector<float> weights;
};

float Cubic(float x, float a) {
  x = std::fabs(x);
  if (x < 1.0F) return ((a + 2.0F) * x - (a + 3.0F)) * x * x + 1.0F;
  if (x < 2.0F) return ((a * x - 5.0F * a) * x + 8.0F * a) * x - 4.0F * a;
  return 0.0F;
}

float Triangle(float x) { return std::max(0.0F, 1.0F - std::fabs(x)); }

Taps PlainTaps(int i, int from, float scale) {
  const float source = scale * (static_cast<float>(i) + 0.5F) - 0.5F;
  const int floor = static_cast<int>(std::floor(source));
  const float t = source - static_cast<float>(floor);
  Taps taps;
  taps.first = std::clamp(floor - 1, 0, from - 1);
  const int last = std::clamp(floor + 2, 0, from - 1);
  taps.weights.resize(static_cast<size_t>(last - taps.first) + 1);
  for (int k = -1; k <= 2; ++k) {  // beyond the edge stands its last row
    const int at = std::clamp(floor + k, 0, from - 1);
    taps.weights[static_cast<size_t>(at - taps.first)] += Cubic(t - static_cast<float>(k), -0.75F);
  }
  return taps;
}

Taps AntialiasTaps(int i, int from, float scale, bool cubic) {
  const float radius = cubic ? 2.0F : 1.0F;
  const float support = scale >= 1.0F ? radius * scale : radius;
  const float inverse = scale >= 1.0F ? 1.0F / scale : 1.0F;
  const float center = scale * (static_cast<float>(i) + 0.5F);
  Taps taps;
  taps.first = std::max(static_cast<int>(center - support + 0.5F), 0);
  const int end = std::min(static_cast<int>(center + support + 0.5F), from);
  float total = 0.0F;
  for (int at = taps.first; at < end; ++at) {
    const float x = (static_cast<float>(at) - center + 0.5F) * inverse;
    taps.weights.push_back(cubic ? Cubic(x, -0.5F) : Triangle(x));
    total += taps.weights.back();
  }
  for (float& weight : taps.weights) weight /= total;
  return taps;
}

std::vector<Taps> AllTaps(int from, int to, GridResampling how) {
  const float scale = static_cast<float>(from) / static_cast<float>(to);
  std::vector<Taps> taps;
  for (int i = 0; i < to; ++i) {
    taps.push_back(how == GridResampling::kBicubic
                       ? PlainTaps(i, from, scale)
                       : AntialiasTaps(i, from, scale, how == GridResampling::kBicubicAntialias));
  }
  return taps;
}

/// [lines, from, width] -> [lines, to, width], along the middle.
std::vector<float> Along(std::span<const float> in, size_t lines, size_t from,
                         const std::vector<Taps>& taps) {
  const size_t width = in.size() / (lines * from);
  std::vector<float> out(lines * taps.size() * width);
  for (size_t line = 0; line < lines; ++line) {
    for (size_t i = 0; i < taps.size(); ++i) {
      float* row = out.data() + (line * taps.size() + i) * width;
      for (size_t k = 0; k < taps[i].weights.size(); ++k) {
        const float* source = in.data() + (line * from + static_cast<size_t>(taps[i].first) + k) * width;
        const float weight = taps[i].weights[k];
        for (size_t c = 0; c < width; ++c) row[c] += weight * source[c];
      }
    }
  }
  return out;
}

}  // namespace

std::vector<float> ResampleGrid(std::span<const float> grid, int from, int to, GridResampling how) {
  PHOTOVEC_CHECK(how != GridResampling::kNone, "a grid that is not resampled");
  const std::vector<Taps> taps = AllTaps(from, to, how);
  const auto side = static_cast<size_t>(from);
  const std::vector<float> wide = Along(grid, side, side, taps);  // [from, to, D]
  return Along(wide, 1, side, taps);                              // rows of [to, D]
}

}  // namespace photovec::model
