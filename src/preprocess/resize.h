// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/image.h"
#include "base/result.h"
#include "preprocess/spec.h"

namespace photovec::preprocess {

/// What the decoder hands over: pixels in stored (not yet oriented) order, and how they relate to the photo.
struct DecodedPhoto {
  RgbView pixels;      ///< possibly DCT-scaled by 1/denominator, rounded up
  int full_width = 0;  ///< stored size before scaling
  int full_height = 0;
  int scale_denominator = 1;  ///< 1, 2, 4 or 8
  int orientation = 1;        ///< EXIF 1..8
};

/// Turns decoded pixels into one [S,S,3] slot: EXIF orientation, resize, centre crop; only the rows and
/// columns that the crop keeps are computed. One per decode thread: keeps coefficient tables and scratch
/// between calls; not thread-safe.
///
/// With scale_denominator 1, every mode but kSquash equals Pillow's Image.resize (antialiased, 8-bit fixed
/// point) after ImageOps.exif_transpose, bit for bit. With a denominator the filter is given the fractional
/// source box (full/denominator) and sizes computed from the full size (docs/architecture.md), and undoes the
/// blur of DCT scaling (see BuildTapTable()). kSquash equals OpenCV's INTER_CUBIC (a = -0.75, no antialias)
/// within 1 level.
class Preprocessor {
 public:
  Preprocessor();
  ~Preprocessor();
  Preprocessor(const Preprocessor&) = delete;
  Preprocessor& operator=(const Preprocessor&) = delete;

  /// \param out spec.slot_bytes() bytes, written whole on success.
  /// Errors: kInternal when photo and spec contradict each other.
  Status Run(const DecodedPhoto& photo, const Spec& spec, std::span<uint8_t> out);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// The size that the spec's resize gives an oriented width x height photo, before the crop, with the
/// roundings of transformers (the long side is truncated) and open_clip.
struct Size {
  int width = 0;
  int height = 0;
};
Size ResizedSize(int width, int height, const Spec& spec);

/// The largest DCT denominator (1, 2, 4 or 8) that leaves both sides at >= 2x what the resize needs.
/// 1 for kSquash, which implies exact decoding.
int FastScaleDenominator(int full_width, int full_height, const Spec& spec);

}  // namespace photovec::preprocess
