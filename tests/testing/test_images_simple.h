// SPDX-License-Identifier: MIT
#pragma once

#include "testing/test_images.h"

/// Encoders of formats that need no library: TIFF (not compressed, or PackBits), BMP, PNM, QOI and ICO.
namespace photovec::test {

struct TiffOptions {
  bool big_endian = false;
  bool big_tiff = false;
  bool packbits = false;
  bool planar = false;
  int tile = 0;  ///< side of square tiles; 0: strips
  int strip_rows = 5;
  int orientation = 1;
  int photometric = -1;  ///< by the raster's channels: 1 (grey) or 2 (RGB)
  int extra_sample = 0;  ///< kind of the fourth channel
};
/// Samples of 8 bits.
Encoded EncodeTiff(const Raster& raster, const TiffOptions& options = {});

/// \param bits 8 (of a grey raster), 24 or 32 (3 or 4 channels).
Encoded EncodeBmp(const Raster& raster, int bits, bool top_down = false);
/// Rows of indices as RLE8, with runs and literals, over a palette of greys that are 255 - index.
Encoded EncodeRleBmp(const Raster& indices);
/// \param kind 1 to 7: P1 to P7. P1 and P4 are black where the grey raster is below 128.
Encoded EncodePnm(const Raster& raster, int kind);
/// 3 or 4 channels.
Encoded EncodeQoi(const Raster& raster);
/// One picture of 32 bits (4 channels), as a bitmap.
Encoded EncodeIco(const Raster& raster);
/// A directory around finished pictures: PNG files, or bitmaps without their first 14 bytes.
Encoded WrapIco(const std::vector<Encoded>& pictures, const std::vector<int>& sides, int bits);

}  // namespace photovec::test
