// SPDX-License-Identifier: MIT
#include "decode/formats/heif/planes.h"

#include <algorithm>
#include <cmath>

#include "decode/color/primaries.h"

namespace photovec::decode {
namespace {

constexpr int kShift = 20;
constexpr int32_t kHalf = 1 << (kShift - 1);

uint8_t Level(int32_t value) { return static_cast<uint8_t>(std::clamp((value + kHalf) >> kShift, 0, 255)); }

int32_t Fixed(double value) { return static_cast<int32_t>(std::lround(value * (1 << kShift))); }

/// Kr and Kb of H.273 table 4, for the matrices that are made of them.
struct LumaWeights {
  double red = 0.299;  // BT.601
  double blue = 0.114;
};
LumaWeights WeightsOf(const ColourCode& colour) {
  switch (colour.matrix) {
    case 1:
      return {0.2126, 0.0722};
    case 4:
      return {0.30, 0.11};
    case 7:
      return {0.212, 0.087};
    case 9:
      return {0.2627, 0.0593};
    case 12: {  // of the primaries
      double red = 0;
      double blue = 0;
      if (LuminanceOfPrimaries(colour.primaries, &red, &blue)) return {red, blue};
      return {};
    }
    default:
      return {};
  }
}

/// Samples of 8 bits or more as they are.
template <typename Sample>
void Widen(const uint8_t* row, int count, int step, int32_t* out) {
  const auto* samples = reinterpret_cast<const Sample*>(row);
  for (int x = 0; x < count; ++x) out[x] = samples[static_cast<ptrdiff_t>(x) * step];
}

void Widen(const uint8_t* row, int bits, int count, int step, int32_t* out) {
  if (bits > 8) {
    Widen<uint16_t>(row, count, step, out);
  } else if (step == 1) {
    Widen<uint8_t>(row, count, 1, out);
  } else {
    Widen<uint8_t>(row, count, step, out);
  }
}

}  // namespace

Status PlanesToRgb::CheckMatrix(const ColourCode& colour) {
  std::string name;
  switch (colour.matrix) {
    case 10:
      name = "BT.2020 with constant luminance";
      break;
    case 11:
      name = "SMPTE ST 2085";
      break;
    case 13:
      name = "constant luminance of its primaries";
      break;
    case 14:
      name = "ICtCp";
      break;
    case 15:
      name = "IPT-PQ-C2";
      break;
    case 16:
    case 17:
      name = "reversible YCgCo";
      break;
    default:
      return Status::Ok();
  }
  return {Code::kUnsupportedFormat, "the colours of the HEIC or AVIF are " + name + " (matrix " +
                                        std::to_string(colour.matrix) + "), which is not supported"};
}

PlanesToRgb::PlanesToRgb(const HeifPlanes& planes, const ColourCode& colour, bool smooth)
    : planes_(planes), smooth_(smooth) {
  const int bits = planes.bits;
  const double top = (1 << bits) - 1;
  const double step = 1 << (bits - 8);
  const bool full = colour.full_range;
  kind_ = planes.chroma == 0   ? Kind::kGrey
          : colour.matrix == 0 ? Kind::kGbr
          : colour.matrix == 8 ? Kind::kYCgCo
                               : Kind::kMatrix;
  luma_zero_ = full ? 0 : static_cast<int32_t>(16 * step);
  luma_scale_ = Fixed(255 / (full ? top : 219 * step));
  chroma_zero_ = 1 << (bits - 1);
  const double chroma = 255 / (full ? top : 224 * step);
  const LumaWeights weights = WeightsOf(colour);
  const double green = 1 - weights.red - weights.blue;
  red_cr_ = Fixed(chroma * 2 * (1 - weights.red));
  blue_cb_ = Fixed(chroma * 2 * (1 - weights.blue));
  green_cr_ = Fixed(-chroma * 2 * (1 - weights.red) * weights.red / green);
  green_cb_ = Fixed(-chroma * 2 * (1 - weights.blue) * weights.blue / green);
  if (kind_ == Kind::kYCgCo) green_cb_ = Fixed(chroma);
  const auto width = static_cast<size_t>(planes.width);
  luma_.resize(width);
  if (kind_ == Kind::kGrey) return;
  for (auto& row : chroma_) row.resize(width);
  mixed_.resize(width / 2 + 2);
}

void PlanesToRgb::LumaRow(int y, int32_t* out) const {
  const HeifPlanes::Plane& plane = planes_.plane[0];
  Widen(plane.data + static_cast<size_t>(y) * plane.stride, planes_.bits, planes_.width, 1, out);
}

void PlanesToRgb::ChromaRow(const HeifPlanes::Plane& plane, int y, int32_t* out) {
  const int width = planes_.width;
  const bool halved_rows = planes_.chroma == 1;
  const auto row = [&](int chroma_y) {
    const int at = halved_rows && planes_.repeated ? std::min(2 * chroma_y, planes_.height - 1) : chroma_y;
    return plane.data + static_cast<size_t>(at) * plane.stride;
  };
  if (planes_.chroma == 3 || (planes_.repeated && !smooth_)) {
    const int at = planes_.chroma == 1 ? y & ~1 : y;
    return Widen(plane.data + static_cast<size_t>(at) * plane.stride, planes_.bits, width, 1, out);
  }
  const int halves = (width + 1) / 2;
  const int near_y = halved_rows ? y / 2 : y;
  const int step = planes_.repeated ? 2 : 1;
  Widen(row(near_y), planes_.bits, halves, step, mixed_.data());
  if (!smooth_) {
    for (int x = 0; x < width; ++x) out[x] = mixed_[static_cast<size_t>(x / 2)];
    return;
  }
  // 3 parts of the nearer sample and 1 of the other, on each axis that is halved.
  const int last_y = halved_rows ? (planes_.height + 1) / 2 - 1 : planes_.height - 1;
  const int far_y = halved_rows ? std::clamp(y % 2 == 0 ? near_y - 1 : near_y + 1, 0, last_y) : near_y;
  Widen(row(far_y), planes_.bits, halves, step, out);
  for (int i = 0; i < halves; ++i) {
    const auto at = static_cast<size_t>(i);
    mixed_[at] = 3 * mixed_[at] + out[i];
  }
  for (int x = 0; x < width; ++x) {
    const int i = x / 2;
    const int other = std::clamp(x % 2 == 0 ? i - 1 : i + 1, 0, halves - 1);
    out[x] = (3 * mixed_[static_cast<size_t>(i)] + mixed_[static_cast<size_t>(other)] + 8) >> 4;
  }
}

void PlanesToRgb::Row(int y, uint8_t* rgb) {
  const int width = planes_.width;
  LumaRow(y, luma_.data());
  const int32_t* luma = luma_.data();
  if (kind_ == Kind::kGrey) {
    for (int x = 0; x < width; ++x, rgb += 3) {
      rgb[0] = rgb[1] = rgb[2] = Level((luma[x] - luma_zero_) * luma_scale_);
    }
    return;
  }
  for (size_t i = 0; i < 2; ++i) ChromaRow(planes_.plane.at(i + 1), y, chroma_.at(i).data());
  const int32_t* cb = chroma_[0].data();
  const int32_t* cr = chroma_[1].data();
  if (kind_ == Kind::kGbr) {
    for (int x = 0; x < width; ++x, rgb += 3) {
      rgb[0] = Level((cr[x] - luma_zero_) * luma_scale_);
      rgb[1] = Level((luma[x] - luma_zero_) * luma_scale_);
      rgb[2] = Level((cb[x] - luma_zero_) * luma_scale_);
    }
    return;
  }
  if (kind_ == Kind::kYCgCo) {
    for (int x = 0; x < width; ++x, rgb += 3) {
      const int32_t light = (luma[x] - luma_zero_) * luma_scale_;
      const int32_t green = (cb[x] - chroma_zero_) * green_cb_;
      const int32_t orange = (cr[x] - chroma_zero_) * green_cb_;
      rgb[0] = Level(light - green + orange);
      rgb[1] = Level(light + green);
      rgb[2] = Level(light - green - orange);
    }
    return;
  }
  for (int x = 0; x < width; ++x, rgb += 3) {
    const int32_t light = (luma[x] - luma_zero_) * luma_scale_;
    const int32_t blue = cb[x] - chroma_zero_;
    const int32_t red = cr[x] - chroma_zero_;
    rgb[0] = Level(light + red * red_cr_);
    rgb[1] = Level(light + blue * green_cb_ + red * green_cr_);
    rgb[2] = Level(light + blue * blue_cb_);
  }
}

void PlanesToRgb::GreyRow(int y, uint8_t* out) {
  LumaRow(y, luma_.data());
  for (size_t x = 0; x < luma_.size(); ++x) out[x] = Level((luma_[x] - luma_zero_) * luma_scale_);
}

}  // namespace photovec::decode
