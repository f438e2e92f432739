// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>

#include "base/image.h"
#include "decode/decoder.h"

namespace photovec::decode {

/// One component of a JPEG 2000 as OpenJPEG gives it. Borrows its samples.
struct Jpeg2000Plane {
  const int32_t* samples = nullptr;  ///< [height, width]
  int width = 0;
  int height = 0;
  int dx = 1;  ///< reference grid points from one sample to the next
  int dy = 1;
  int x0 = 0;  ///< of the first sample, in steps of dx
  int y0 = 0;
  int bits = 8;
  bool is_signed = false;
};

enum class Jpeg2000Colors { kGrey, kRgb, kYcc, kCmyk };

struct Jpeg2000Picture {
  std::span<const Jpeg2000Plane> colors;  ///< 1, 3 or 4, as `kind` says
  const Jpeg2000Plane* alpha = nullptr;
  bool premultiplied = false;
  Jpeg2000Colors kind = Jpeg2000Colors::kRgb;
  int x0 = 0;  ///< of the image on the reference grid
  int y0 = 0;
};

/// Fills `out`, which has the image's size, with 8-bit RGB. Samples of other depths are scaled, those of
/// subsampled planes repeated. YCC is that of JPEG (ITU-T T.871 §7), CMYK becomes RGB as Pillow's
/// convert("RGB") does it. Every plane has at least one sample.
void PaintJpeg2000(const Jpeg2000Picture& picture, AlphaMode alpha, RgbImage* out);

}  // namespace photovec::decode
