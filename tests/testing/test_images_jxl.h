// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>

#include "testing/test_images.h"

/// JPEG XL by libjxl's encoder and JPEG 2000 by OpenJPEG's, which the test program links.
namespace photovec::test {

struct JxlOptions {
  bool lossless = true;
  float distance = 1.0F;  ///< when lossy
  bool xyb = false;       ///< lossy without the picture's profile
  int bits = 8;           ///< 16: every sample times 257
  bool floats = false;    ///< 32-bit floats, 1.0 for 255
  bool premultiplied = false;
  int orientation = 1;
  bool container = false;
  int frames = 1;  ///< of an animation; the second and later are black
  std::span<const uint8_t> icc;
  int resampling = 1;
};
/// 1 to 4 channels: grey, grey and alpha, RGB, RGBA.
Encoded EncodeJxl(const Raster& raster, const JxlOptions& options = {});
/// A JPEG without loss, from which it could be made again.
Encoded JxlOfJpeg(const Encoded& jpeg);

enum class J2kColors { kUnknown, kSrgb, kGrey, kYcc, kCmyk };
struct J2kOptions {
  bool boxes = true;  ///< JP2, else the bare codestream
  bool reversible = true;
  int bits = 8;  ///< of samples: the raster's are scaled
  bool is_signed = false;
  J2kColors colors = J2kColors::kSrgb;
  int tile = 0;         ///< side; 0: one tile
  int chroma_step = 1;  ///< of the second and third component, both ways
  int x0 = 0;           ///< of the image on the reference grid
  int y0 = 0;
  bool alpha = false;  ///< the last channel is one, and the file says so
  int levels = 3;
  int block = 64;
  int precinct = 0;  ///< side; 0: as large as can be
  int layers = 1;
};
/// 1 to 4 channels.
Encoded EncodeJ2k(const Raster& raster, const J2kOptions& options = {});

}  // namespace photovec::test
