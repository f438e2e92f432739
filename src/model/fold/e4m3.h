// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

/// The 8-bit float of the OCP FP8 specification (arXiv:2209.05433) with 4 exponent and 3 mantissa bits: up to
/// 448, down to 2^-9, no infinity.
namespace photovec::model {

constexpr float kMostE4M3 = 448.0F;

/// Rounds to nearest even; what is too large becomes +-448; NaN stays NaN. In the default rounding mode.
uint8_t FloatToE4M3(float value);
float E4M3ToFloat(uint8_t code);

/// A row-major matrix as value[r, k] = codes[r, k] * scales[r].
struct E4M3Rows {
  std::vector<uint8_t> codes;  ///< [rows, K]
  std::vector<float> scales;   ///< [rows]: the row's largest magnitude / 448
};
/// \param values [rows, K]
E4M3Rows QuantizeToE4M3(const std::vector<float>& values, size_t rows);

}  // namespace photovec::model
