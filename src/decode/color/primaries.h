// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <optional>

namespace photovec::decode {

/// Chromaticities of the three primaries and the white point, CIE 1931 x and y.
struct Primaries {
  std::array<double, 2> red;
  std::array<double, 2> green;
  std::array<double, 2> blue;
  std::array<double, 2> white;
};

/// A row-major 3 x 3 matrix.
using Matrix3 = std::array<std::array<double, 3>, 3>;

/// Those of a code point (ColourPrimaries); nothing for unspecified and reserved ones. Source: ITU-T H.273
/// table 2.
std::optional<Primaries> PrimariesOf(uint32_t code);

/// From linear RGB of these primaries to CIE XYZ, white with Y = 1. Source: SMPTE RP 177.
Matrix3 RgbToXyz(const Primaries& primaries);

/// The luminances of red and blue, Kr and Kb of H.273 §8.3 for derived matrices. False when the code is
/// unknown.
bool LuminanceOfPrimaries(uint32_t code, double* red, double* blue);

}  // namespace photovec::decode
