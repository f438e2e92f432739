// SPDX-License-Identifier: MIT
#include "decode/color/hdr.h"

#include <algorithm>
#include <cmath>

namespace photovec::decode {
namespace {

constexpr double kPeak = 1000;
constexpr double kWhite = 203;
constexpr int kSteps = 4096;
constexpr int kLevels = 16384;

// SMPTE ST 2084.
constexpr double kM1 = 2610.0 / 16384;
constexpr double kM2 = 2523.0 / 4096 * 128;
constexpr double kC1 = 3424.0 / 4096;
constexpr double kC2 = 2413.0 / 4096 * 32;
constexpr double kC3 = 2392.0 / 4096 * 32;

double PqToNits(double value) {
  const double root = std::pow(value, 1 / kM2);
  return 10'000 * std::pow(std::max(root - kC1, 0.0) / (kC2 - kC3 * root), 1 / kM1);
}
double NitsToPq(double nits) {
  const double power = std::pow(nits / 10'000, kM1);
  return std::pow((kC1 + kC2 * power) / (1 + kC3 * power), kM2);
}

/// BT.2100 table 5: the light of the scene.
double HlgToScene(double value) {
  constexpr double kA = 0.17883277;
  constexpr double kB = 1 - 4 * kA;
  const double c = 0.5 - kA * std::log(4 * kA);
  return value <= 0.5 ? value * value / 3 : (std::exp((value - c) / kA) + kB) / 12;
}

double SrgbLevel(double light) {
  const double curve = light <= 0.0031308 ? 12.92 * light : 1.055 * std::pow(light, 1 / 2.4) - 0.055;
  return 255 * curve;
}

/// A table of kSteps + 1 values of x in [0, 1] by its square root.
float Lookup(const std::vector<float>& table, float x) {
  const float at = std::sqrt(std::clamp(x, 0.0F, 1.0F)) * kSteps;
  const auto i = std::min(static_cast<size_t>(at), static_cast<size_t>(kSteps - 1));
  const float part = at - static_cast<float>(i);
  return table[i] + (table[i + 1] - table[i]) * part;
}

Matrix3 Inverse(const Matrix3& m) {
  Matrix3 inverse{};
  double determinant = 0;
  for (size_t i = 0; i < 3; ++i) {
    const size_t c1 = (i + 1) % 3;
    const size_t c2 = (i + 2) % 3;
    determinant += m[0].at(i) * (m[1].at(c1) * m[2].at(c2) - m[1].at(c2) * m[2].at(c1));
    for (size_t row = 0; row < 3; ++row) {
      const size_t r1 = (row + 1) % 3;
      const size_t r2 = (row + 2) % 3;
      inverse.at(i).at(row) = m.at(r1).at(c1) * m.at(r2).at(c2) - m.at(r1).at(c2) * m.at(r2).at(c1);
    }
  }
  for (auto& row : inverse) {
    for (double& value : row) value /= determinant;
  }
  return inverse;
}

}  // namespace

double HdrToSrgb::RollOff(double nits) {
  const double top = NitsToPq(kPeak);
  const double target = NitsToPq(kWhite) / top;
  const double knee = 1.5 * target - 0.5;
  const double value = NitsToPq(std::min(nits, kPeak)) / top;
  if (value < knee) return nits;
  const double t = (value - knee) / (1 - knee);
  const double t2 = t * t;
  const double t3 = t2 * t;
  const double rolled =
      (2 * t3 - 3 * t2 + 1) * knee + (t3 - 2 * t2 + t) * (1 - knee) + (-2 * t3 + 3 * t2) * target;
  return PqToNits(rolled * top);
}

HdrToSrgb::HdrToSrgb(const ColourCode& code) : hlg_(code.transfer == 18) {
  constexpr uint32_t kBt709 = 1;
  constexpr uint32_t kBt2020 = 9;
  for (size_t i = 0; i < light_.size(); ++i) {
    const double value = static_cast<double>(i) / 255;
    light_.at(i) = static_cast<float>(hlg_ ? HlgToScene(value) : PqToNits(value));
  }
  for (int i = 0; i <= kSteps; ++i) {
    const double root = static_cast<double>(i) / kSteps;
    const double x = root * root;
    ootf_.push_back(static_cast<float>(std::pow(x, 0.2)));
    roll_off_.push_back(i == 0 ? 1.0F : static_cast<float>(RollOff(x * kPeak) / (x * kPeak)));
  }
  for (int i = 0; i < kLevels; ++i) {
    srgb_.push_back(static_cast<uint8_t>(std::lround(SrgbLevel(static_cast<double>(i) / (kLevels - 1)))));
  }
  const Primaries bt2020 = *PrimariesOf(kBt2020);
  const Matrix3 from = RgbToXyz(PrimariesOf(code.primaries).value_or(bt2020));
  const Matrix3 to = Inverse(RgbToXyz(*PrimariesOf(kBt709)));
  for (size_t row = 0; row < 3; ++row) {
    luminance_.at(row) = static_cast<float>(from[1].at(row));
    for (size_t column = 0; column < 3; ++column) {
      double sum = 0;
      for (size_t k = 0; k < 3; ++k) sum += to.at(row).at(k) * from.at(k).at(column);
      to_709_.at(row).at(column) = static_cast<float>(sum / kWhite);
    }
  }
}

void HdrToSrgb::Apply(uint8_t* rgb, int count) const {
  for (int i = 0; i < count; ++i, rgb += 3) {
    std::array<float, 3> light = {light_.at(rgb[0]), light_.at(rgb[1]), light_.at(rgb[2])};
    if (hlg_) {
      const float y = luminance_[0] * light[0] + luminance_[1] * light[1] + luminance_[2] * light[2];
      const float gain = static_cast<float>(kPeak) * Lookup(ootf_, y);
      for (float& channel : light) channel *= gain;
    }
    const float largest = std::max({light[0], light[1], light[2]});
    // Brighter than the peak: as the peak.
    const float bounded = std::min(largest, static_cast<float>(kPeak));
    const float factor = Lookup(roll_off_, bounded / static_cast<float>(kPeak)) *
                         (largest > bounded ? bounded / largest : 1.0F);
    for (int c = 0; c < 3; ++c) {
      const auto& row = to_709_.at(static_cast<size_t>(c));
      const float linear = factor * (row[0] * light[0] + row[1] * light[1] + row[2] * light[2]);
      const float at = std::clamp(linear, 0.0F, 1.0F) * (kLevels - 1) + 0.5F;
      rgb[c] = srgb_[static_cast<size_t>(at)];
    }
  }
}

}  // namespace photovec::decode
