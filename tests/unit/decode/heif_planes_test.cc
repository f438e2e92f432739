// SPDX-License-Identifier: MIT
// Planes to RGB beside H.273's formulas in double precision: every range, depth, sampling and matrix.
#include "decode/formats/heif/planes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace photovec::decode {
namespace {

constexpr int kWidth = 13;
constexpr int kHeight = 7;

struct Drawn {
  std::vector<uint16_t> samples[3];
  std::vector<uint8_t> bytes[3];
  HeifPlanes planes;
  int WidthOf(int plane) const {
    return plane > 0 && (planes.chroma == 1 || planes.chroma == 2) ? 7 : kWidth;
  }
  int HeightOf(int plane) const { return plane > 0 && planes.chroma == 1 ? 4 : kHeight; }
  double At(int plane, int x, int y) const {
    x = std::clamp(x, 0, WidthOf(plane) - 1);
    y = std::clamp(y, 0, HeightOf(plane) - 1);
    return samples[plane][static_cast<size_t>(y * WidthOf(plane) + x)];
  }
};

/// Random samples; `repeated` as libheif 1.15 gives them: chroma of full size.
Drawn Draw(int bits, int chroma, bool repeated) {
  Drawn drawn;
  drawn.planes = {kWidth, kHeight, bits, chroma, repeated, {}};
  std::mt19937 random(static_cast<uint32_t>(bits * 10 + chroma));
  for (int p = 0; p < (chroma == 0 ? 1 : 3); ++p) {
    const auto plane = static_cast<size_t>(p);
    for (int i = 0; i < drawn.WidthOf(p) * drawn.HeightOf(p); ++i) {
      drawn.samples[plane].push_back(static_cast<uint16_t>(random() & ((1U << bits) - 1)));
    }
    const bool full = p == 0 || repeated;
    const int width = full ? kWidth : drawn.WidthOf(p);
    const int height = full ? kHeight : drawn.HeightOf(p);
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < width; ++x) {
        const bool halved = full && drawn.WidthOf(p) != kWidth;
        const auto sample = static_cast<uint16_t>(
            drawn.At(p, halved ? x / 2 : x, full && drawn.HeightOf(p) != kHeight ? y / 2 : y));
        drawn.bytes[plane].push_back(static_cast<uint8_t>(sample));
        if (bits > 8) drawn.bytes[plane].push_back(static_cast<uint8_t>(sample >> 8));
      }
    }
    drawn.planes.plane[plane] = {drawn.bytes[plane].data(), static_cast<size_t>(width * (bits > 8 ? 2 : 1))};
  }
  return drawn;
}

double Chroma(const Drawn& drawn, int plane, int x, int y, bool smooth) {
  const int chroma = drawn.planes.chroma;
  if (chroma == 3) return drawn.At(plane, x, y);
  const int cx = x / 2;
  const int cy = chroma == 1 ? y / 2 : y;
  if (!smooth) return drawn.At(plane, cx, cy);
  const int dx = x % 2 == 0 ? -1 : 1;
  const int dy = chroma == 2 ? 0 : y % 2 == 0 ? -1 : 1;
  const double near = 3 * drawn.At(plane, cx, cy) + drawn.At(plane, cx + dx, cy);
  const double far = 3 * drawn.At(plane, cx, cy + dy) + drawn.At(plane, cx + dx, cy + dy);
  return std::floor((3 * near + far + 8) / 16);
}

/// H.273 §8.3, with kr and kb; matrix 0: G, B, R; 8: YCgCo.
std::array<double, 3> Wanted(const Drawn& drawn, const ColourCode& code, double kr, double kb, int x, int y,
                             bool smooth) {
  const double step = 1 << (drawn.planes.bits - 8);
  const double top = (1 << drawn.planes.bits) - 1;
  const auto luma = [&](double v) { return code.full_range ? v / top : (v - 16 * step) / (219 * step); };
  const double middle = 128 * step;
  const auto chroma = [&](double v) { return (v - middle) / (code.full_range ? top : 224 * step); };
  const double first = luma(drawn.At(0, x, y));
  if (drawn.planes.chroma == 0) return {first, first, first};
  const double u = Chroma(drawn, 1, x, y, smooth);
  const double v = Chroma(drawn, 2, x, y, smooth);
  if (code.matrix == 0) return {luma(v), first, luma(u)};
  const double cb = chroma(u);
  const double cr = chroma(v);
  if (code.matrix == 8) return {first - cb + cr, first + cb, first - cb - cr};
  const double red = first + 2 * (1 - kr) * cr;
  const double blue = first + 2 * (1 - kb) * cb;
  return {red, (first - kr * red - kb * blue) / (1 - kr - kb), blue};
}

struct Matrix {
  uint32_t code;
  double kr;
  double kb;
};

TEST(HeifPlanes, EveryCombinationIsThatOfTheStandard) {
  const Matrix matrices[] = {{0, 0, 0},           {1, 0.2126, 0.0722}, {2, 0.299, 0.114}, {4, 0.30, 0.11},
                             {5, 0.299, 0.114},   {6, 0.299, 0.114},   {7, 0.212, 0.087}, {8, 0, 0},
                             {9, 0.2627, 0.0593}, {12, 0.2290, 0.0793}};
  for (const int bits : {8, 10, 12, 16}) {
    for (const int chroma : {0, 1, 2, 3}) {
      for (const bool repeated : {false, true}) {
        if (repeated && (chroma == 0 || chroma == 3)) continue;
        const Drawn drawn = Draw(bits, chroma, repeated);
        for (const Matrix& matrix : matrices) {
          for (const int way : {0, 1, 2, 3}) {
            const bool smooth = way / 2 == 1;
            const ColourCode code{12, 13, matrix.code, way % 2 == 1};
            ASSERT_TRUE(PlanesToRgb::CheckMatrix(code).ok());
            PlanesToRgb converter(drawn.planes, code, smooth);
            std::vector<uint8_t> row(3 * kWidth);
            for (int y = 0; y < kHeight; ++y) {
              converter.Row(y, row.data());
              for (int x = 0; x < kWidth; ++x) {
                const auto want = Wanted(drawn, code, matrix.kr, matrix.kb, x, y, smooth);
                for (size_t c = 0; c < 3; ++c) {
                  const double level = 255 * std::clamp(want.at(c), 0.0, 1.0);
                  ASSERT_NEAR(row[3 * static_cast<size_t>(x) + c], level, 0.55)
                      << bits << " bits, chroma " << chroma << ", matrix " << matrix.code << ", way " << way
                      << (repeated ? ", repeated" : "") << " at " << x << ", " << y << ", " << c;
                }
              }
            }
          }
        }
      }
    }
  }
}

TEST(HeifPlanes, LimitedGreyIsStretched) {
  const uint8_t samples[] = {0, 16, 126, 235, 255};
  HeifPlanes planes{5, 1, 8, 0, false, {}};
  planes.plane[0] = {samples, 5};
  PlanesToRgb limited(planes, {1, 13, 1, false}, false);
  uint8_t row[15];
  limited.Row(0, row);
  EXPECT_EQ(row[0], 0);
  EXPECT_EQ(row[3], 0);
  EXPECT_EQ(row[6], 128);
  EXPECT_EQ(row[9], 255);
  EXPECT_EQ(row[12], 255);
  uint8_t grey[5];
  PlanesToRgb(planes, {1, 13, 1, true}, false).GreyRow(0, grey);
  EXPECT_EQ(grey[2], 126);
}

TEST(HeifPlanes, OtherMatricesAreRefusedByName) {
  for (const uint32_t matrix : {10U, 11U, 13U, 14U, 15U, 16U, 17U}) {
    const Status status = PlanesToRgb::CheckMatrix({9, 16, matrix, true});
    EXPECT_EQ(status.code(), Code::kUnsupportedFormat) << matrix;
    EXPECT_NE(status.message().find("matrix " + std::to_string(matrix)), std::string::npos);
  }
}

}  // namespace
}  // namespace photovec::decode
