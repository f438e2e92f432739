// SPDX-License-Identifier: MIT
#include "decode/color/primaries.h"

namespace photovec::decode {
namespace {

constexpr std::array<double, 2> kD65 = {0.3127, 0.3290};
constexpr std::array<double, 2> kC = {0.310, 0.316};

std::array<double, 3> Xyz(const std::array<double, 2>& xy) {
  return {xy[0] / xy[1], 1.0, (1 - xy[0] - xy[1]) / xy[1]};
}

double Minor(const Matrix3& m, size_t row, size_t column) {
  const size_t r1 = (row + 1) % 3;
  const size_t r2 = (row + 2) % 3;
  const size_t c1 = (column + 1) % 3;
  const size_t c2 = (column + 2) % 3;
  return m.at(r1).at(c1) * m.at(r2).at(c2) - m.at(r1).at(c2) * m.at(r2).at(c1);
}

}  // namespace

std::optional<Primaries> PrimariesOf(uint32_t code) {
  switch (code) {
    case 1:
      return Primaries{{0.640, 0.330}, {0.300, 0.600}, {0.150, 0.060}, kD65};
    case 4:
      return Primaries{{0.67, 0.33}, {0.21, 0.71}, {0.14, 0.08}, kC};
    case 5:
      return Primaries{{0.64, 0.33}, {0.29, 0.60}, {0.15, 0.06}, kD65};
    case 6:
    case 7:
      return Primaries{{0.630, 0.340}, {0.310, 0.595}, {0.155, 0.070}, kD65};
    case 8:
      return Primaries{{0.681, 0.319}, {0.243, 0.692}, {0.145, 0.049}, kC};
    case 9:
      return Primaries{{0.708, 0.292}, {0.170, 0.797}, {0.131, 0.046}, kD65};
    case 10:
      return Primaries{{1.0, 0.0}, {0.0, 1.0}, {0.0, 0.0}, {1.0 / 3, 1.0 / 3}};
    case 11:
      return Primaries{{0.680, 0.320}, {0.265, 0.690}, {0.150, 0.060}, {0.314, 0.351}};
    case 12:
      return Primaries{{0.680, 0.320}, {0.265, 0.690}, {0.150, 0.060}, kD65};
    case 22:
      return Primaries{{0.630, 0.340}, {0.295, 0.605}, {0.155, 0.077}, kD65};
    default:
      return std::nullopt;
  }
}

Matrix3 RgbToXyz(const Primaries& primaries) {
  // XYZ itself (code 10) has a primary with y = 0; its matrix is one.
  if (primaries.red[1] == 0) return {{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};
  const std::array<double, 3> columns[3] = {Xyz(primaries.red), Xyz(primaries.green), Xyz(primaries.blue)};
  Matrix3 m{};
  for (size_t row = 0; row < 3; ++row) {
    for (size_t column = 0; column < 3; ++column) m.at(row).at(column) = columns[column].at(row);
  }
  const std::array<double, 3> white = Xyz(primaries.white);
  double determinant = 0;
  for (size_t i = 0; i < 3; ++i) determinant += m[0].at(i) * Minor(m, 0, i);
  Matrix3 scaled = m;
  for (size_t column = 0; column < 3; ++column) {
    double scale = 0;
    for (size_t row = 0; row < 3; ++row) scale += Minor(m, row, column) * white.at(row);
    for (size_t row = 0; row < 3; ++row) scaled.at(row).at(column) *= scale / determinant;
  }
  return scaled;
}

bool LuminanceOfPrimaries(uint32_t code, double* red, double* blue) {
  const std::optional<Primaries> primaries = PrimariesOf(code);
  if (!primaries || code == 10) return false;
  const Matrix3 xyz = RgbToXyz(*primaries);
  *red = xyz[1][0];
  *blue = xyz[1][2];
  return true;
}

}  // namespace photovec::decode
