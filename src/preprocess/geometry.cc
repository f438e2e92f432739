// SPDX-License-Identifier: MIT
#include "preprocess/geometry.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string>

namespace photovec::preprocess {
namespace {

// What a JPEG header can say; below 2^24, so that sizes are exact as floats, where Pillow keeps its box.
constexpr int kMaxSourceSide = 65'535;
constexpr int kMaxSlotSide = 1 << 14;

Status Contradiction(const std::string& what) {
  return {Code::kInternal, "preprocess: " + what + " (a bug in photovec: please report it)"};
}

std::string SizeText(int width, int height) { return std::to_string(width) + "x" + std::to_string(height); }

Status CheckPhoto(const DecodedPhoto& photo) {
  const RgbView& pixels = photo.pixels;
  const int d = photo.scale_denominator;
  if (d != 1 && d != 2 && d != 4 && d != 8) {
    return Contradiction("a scale denominator of " + std::to_string(d) + " instead of 1, 2, 4 or 8");
  }
  if (photo.orientation < 1 || photo.orientation > 8) {
    return Contradiction("EXIF orientation " + std::to_string(photo.orientation) + " instead of 1 to 8");
  }
  if (photo.full_width < 1 || photo.full_height < 1 || photo.full_width > kMaxSourceSide ||
      photo.full_height > kMaxSourceSide) {
    return Contradiction("a photo of " + SizeText(photo.full_width, photo.full_height) + " pixels");
  }
  const int width = (photo.full_width + d - 1) / d;
  const int height = (photo.full_height + d - 1) / d;
  if (pixels.width != width || pixels.height != height) {
    return Contradiction("a photo of " + SizeText(photo.full_width, photo.full_height) + " decoded at 1/" +
                         std::to_string(d) + " came as " + SizeText(pixels.width, pixels.height) +
                         " instead of " + SizeText(width, height));
  }
  if (pixels.data == nullptr || pixels.stride < static_cast<size_t>(width) * 3) {
    return Contradiction("no pixels, or rows of " + std::to_string(pixels.stride) + " bytes for " +
                         std::to_string(width) + " pixels");
  }
  return Status::Ok();
}

Status CheckSpec(const DecodedPhoto& photo, const Spec& spec) {
  if (spec.crop < 1 || spec.crop > kMaxSlotSide) {
    return Contradiction("a crop of " + std::to_string(spec.crop) + " pixels");
  }
  if (spec.mode == ResizeMode::kSquash) {
    if (photo.scale_denominator != 1) return Contradiction("squash needs pixels decoded in full");
    return Status::Ok();
  }
  if (spec.resize_short < 1 || spec.resize_short > kMaxSlotSide) {
    return Contradiction("a side of " + std::to_string(spec.resize_short) + " pixels");
  }
  return Status::Ok();
}

/// The centre crop of one axis, as transformers' center_crop or open_clip's: an axis shorter than the crop is
/// padded. (Where an axis is padded by an odd number, transformers up to 4.40 returns a crop that is one
/// pixel short, which no model accepts; later ones do as we do.)
void Crop(int resized, const Spec& spec, PlannedAxis& axis) {
  const int surplus = resized - spec.crop;
  const int half = std::abs(surplus) / 2;
  const bool odd = surplus % 2 != 0;
  const bool down = spec.rounding == CropRounding::kDown;
  axis.key.out_size = resized;
  // kHalfEven: halves go to the even neighbour, which is above where `half` is odd.
  axis.key.out_begin = surplus <= 0 ? 0 : half + (odd && !down && half % 2 != 0 ? 1 : 0);
  axis.key.out_count = std::min(resized, spec.crop);
  axis.pad = surplus >= 0 ? 0 : half + (odd && down ? 1 : 0);
}

struct SourceAxis {
  int in_size;
  int full_size;
  bool mirrored;
};

void SetSource(const SourceAxis& from, int denominator, AxisKey& key) {
  const float extent = static_cast<float>(from.full_size) / static_cast<float>(denominator);
  const auto size = static_cast<float>(from.in_size);
  key.in_size = from.in_size;
  key.mirrored = from.mirrored;
  key.denominator = denominator;
  // The scaled image's last pixel may stand for less than `denominator` pixels of the photo. Mirrored, it is
  // the first that the viewer sees.
  key.box_begin = from.mirrored ? size - extent : 0.0F;
  key.box_end = from.mirrored ? size : extent;
}

}  // namespace

Orientation ReadOrientation(int exif) {
  switch (exif) {
    case 2:
      return {false, true, false};
    case 3:
      return {false, true, true};
    case 4:
      return {false, false, true};
    case 5:
      return {true, false, false};
    case 6:
      return {true, true, false};
    case 7:
      return {true, true, true};
    case 8:
      return {true, false, true};
    default:
      return {};
  }
}

Result<ResizePlan> MakeResizePlan(const DecodedPhoto& photo, const Spec& spec) {
  RETURN_IF_ERROR(CheckPhoto(photo));
  RETURN_IF_ERROR(CheckSpec(photo, spec));
  const Orientation orientation = ReadOrientation(photo.orientation);
  const bool turned = orientation.transposed;
  const SourceAxis columns{photo.pixels.width, photo.full_width,
                           turned ? orientation.mirrored_y : orientation.mirrored_x};
  const SourceAxis rows{photo.pixels.height, photo.full_height,
                        turned ? orientation.mirrored_x : orientation.mirrored_y};
  ResizePlan plan;
  plan.transposed = turned;
  plan.x.key.filter = plan.y.key.filter = spec.filter;
  SetSource(turned ? rows : columns, photo.scale_denominator, plan.x.key);
  SetSource(turned ? columns : rows, photo.scale_denominator, plan.y.key);

  const int width = turned ? photo.full_height : photo.full_width;
  const int height = turned ? photo.full_width : photo.full_height;
  const Size resized = ResizedSize(width, height, spec);
  if (resized.width < 1 || resized.height < 1) {
    return Contradiction("a resized photo of " + SizeText(resized.width, resized.height) + " pixels");
  }
  Crop(resized.width, spec, plan.x);
  Crop(resized.height, spec, plan.y);
  return plan;
}

Size ResizedSize(int width, int height, const Spec& spec) {
  if (spec.mode == ResizeMode::kSquash) return {spec.crop, spec.crop};
  if (spec.mode == ResizeMode::kFixed) return {spec.resize_short, spec.resize_short};
  const int short_side = std::min(width, height);
  const int long_side = std::max(width, height);
  if (short_side < 1 || spec.resize_short < 1) return {};
  if (spec.mode == ResizeMode::kLongestEdge) {
    // open_clip: round(side / (long / size)) for both sides, in double, halves to even. A side that it would
    // round to 0, which no library resizes to, becomes 1.
    const double ratio = static_cast<double>(long_side) / spec.resize_short;
    const auto side = [ratio](int full) {
      return std::max(1, static_cast<int>(std::nearbyint(full / ratio)));
    };
    return {side(width), side(height)};
  }
  // Python: int(size * long / short). Both products are exact in double, and so is C++'s division the same.
  const double exact = static_cast<double>(int64_t{spec.resize_short} * long_side) / short_side;
  const auto new_long = static_cast<int>(std::min(exact, double{std::numeric_limits<int>::max()}));
  return width <= height ? Size{spec.resize_short, new_long} : Size{new_long, spec.resize_short};
}

int FastScaleDenominator(int full_width, int full_height, const Spec& spec) {
  if (spec.mode == ResizeMode::kSquash) return 1;
  const Size need = ResizedSize(full_width, full_height, spec);
  if (need.width < 1 || need.height < 1) return 1;
  for (const int d : {8, 4, 2}) {
    // Compared as the fraction full / d: the rounded-up last pixel is not wholly there.
    if (full_width >= 2 * int64_t{d} * need.width && full_height >= 2 * int64_t{d} * need.height) return d;
  }
  return 1;
}

}  // namespace photovec::preprocess
