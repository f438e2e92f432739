// SPDX-License-Identifier: MIT
#include "model/fold/e4m3.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace photovec::model {
namespace {

constexpr uint8_t kMostCode = 0x7E;
constexpr uint8_t kNanCode = 0x7F;
constexpr float kLeastNormal = 0x1p-6F;
constexpr float kSteps = 0x1p9F;  // one over the subnormals' step
constexpr uint32_t kBiasDifference = 127 - 7;
constexpr int kDroppedBits = 23 - 3;
// Below it, 448 / amax is not safely finite; such a row is as good as zero.
constexpr float kLeastAmax = 1e-30F;

}  // namespace

uint8_t FloatToE4M3(float value) {
  const auto sign = static_cast<uint8_t>(std::bit_cast<uint32_t>(value) >> 24U & 0x80U);
  const float size = std::abs(value);
  if (std::isnan(value)) return sign | kNanCode;
  if (size >= kMostE4M3) return sign | kMostCode;
  // The step after the last subnormal is the first normal's code.
  if (size < kLeastNormal) return sign | static_cast<uint8_t>(std::lrint(size * kSteps));
  uint32_t bits = std::bit_cast<uint32_t>(size);
  bits += (1U << (kDroppedBits - 1)) - 1 + (bits >> kDroppedBits & 1U);
  return sign | static_cast<uint8_t>((bits >> kDroppedBits) - (kBiasDifference << 3U));
}

float E4M3ToFloat(uint8_t code) {
  const float sign = (code & 0x80U) != 0 ? -1.0F : 1.0F;
  const int exponent = code >> 3 & 15;
  const auto mantissa = static_cast<float>(code & 7);
  if ((code & 0x7FU) == kNanCode) return sign * NAN;
  if (exponent == 0) return sign * mantissa / kSteps;
  return sign * std::ldexp(1 + mantissa / 8, exponent - 7);
}

E4M3Rows QuantizeToE4M3(const std::vector<float>& values, size_t rows) {
  E4M3Rows out;
  out.codes.resize(values.size());
  out.scales.resize(rows);
  const size_t depth = rows == 0 ? 0 : values.size() / rows;
  for (size_t r = 0; r < rows; ++r) {
    const float* row = values.data() + r * depth;
    float amax = 0;
    for (size_t k = 0; k < depth; ++k) amax = std::max(amax, std::abs(row[k]));
    out.scales[r] = amax / kMostE4M3;
    const float inverse = amax > kLeastAmax ? kMostE4M3 / amax : 0.0F;
    for (size_t k = 0; k < depth; ++k) out.codes[r * depth + k] = FloatToE4M3(row[k] * inverse);
  }
  return out;
}

}  // namespace photovec::model
