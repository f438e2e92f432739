// SPDX-License-Identifier: MIT
#include "decode/pixel_decoder.h"

#include <algorithm>
#include <cmath>

#include "preprocess/resize.h"

namespace photovec::decode {
namespace {

/// Half width of each filter, in output pixels.
double FilterRadius(preprocess::Filter filter) {
  switch (filter) {
    case preprocess::Filter::kBilinear:
      return 1.0;
    case preprocess::Filter::kBicubic:
      return 2.0;
    case preprocess::Filter::kLanczos:
      break;
  }
  return 3.0;
}

struct Range {
  int first = 0;
  int end = 0;
};

/// One axis of the stored image.
/// \param full     its length before DCT scaling
/// \param resized  what the resize makes of it
Range KeptRange(int full, int resized, int scale_denominator, const preprocess::Spec& spec) {
  const int stored = (full + scale_denominator - 1) / scale_denominator;
  if (resized <= spec.crop) return {0, stored};
  // A centre crop is symmetric up to one pixel of rounding, so the same range serves mirrored photos.
  const double margin = (resized - spec.crop) / 2.0 - 1.0;
  const double scale = static_cast<double>(full) / resized / scale_denominator;
  constexpr double kRounding = 2.0;
  const double reach = FilterRadius(spec.filter) * std::max(scale, 1.0) + kRounding;
  const double first = margin * scale - reach;
  const double end = (resized - margin) * scale + reach;
  return {std::max(0, static_cast<int>(std::floor(first))),
          std::min(stored, static_cast<int>(std::ceil(end)))};
}

}  // namespace

PixelWindow CropWindow(const ImageHeader& header, int scale_denominator, const preprocess::Spec& spec) {
  if (spec.mode != preprocess::ResizeMode::kShortestEdge) return {};
  const bool turned = header.orientation >= 5;  // stored rows are columns of the oriented photo
  const preprocess::Size resized = turned ? preprocess::ResizedSize(header.height, header.width, spec)
                                          : preprocess::ResizedSize(header.width, header.height, spec);
  const Range rows =
      KeptRange(header.height, turned ? resized.width : resized.height, scale_denominator, spec);
  const Range columns =
      KeptRange(header.width, turned ? resized.height : resized.width, scale_denominator, spec);
  return {rows.first, rows.end, columns.first, columns.end};
}

}  // namespace photovec::decode
