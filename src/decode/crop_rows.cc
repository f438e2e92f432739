// SPDX-License-Identifier: MIT
#include "decode/crop_rows.h"

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

}  // namespace

int RowsForCrop(const ImageHeader& header, int scale_denominator, const preprocess::Spec& spec) {
  const int rows = (header.height + scale_denominator - 1) / scale_denominator;
  if (spec.mode != preprocess::ResizeMode::kShortestEdge) return rows;
  const bool turned = header.orientation >= 5;  // stored rows are columns of the oriented photo
  const preprocess::Size resized = turned ? preprocess::ResizedSize(header.height, header.width, spec)
                                          : preprocess::ResizedSize(header.width, header.height, spec);
  const int length = turned ? resized.width : resized.height;
  if (length <= spec.crop) return rows;
  // A centre crop is symmetric up to one pixel of rounding, so this holds for mirrored rows, too.
  const double kept = (length + spec.crop) / 2.0 + 1.0;
  const double scale = static_cast<double>(header.height) / length / scale_denominator;
  const double reach = FilterRadius(spec.filter) * std::max(scale, 1.0);
  constexpr double kRounding = 2.0;
  return std::min(rows, static_cast<int>(std::ceil(kept * scale + reach + kRounding)));
}

}  // namespace photovec::decode
