// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>

namespace photovec::decode {

/// What the head of an embedded JPEG says.
struct JpegShape {
  bool usable = false;  ///< a whole head of a JPEG for the eyes: Huffman, 8 bits, grey or three colours
  int width = 0;
  int height = 0;
  std::span<const uint8_t> exif;  ///< the TIFF in its first EXIF segment; borrowed
  int64_t Area() const { return int64_t{width} * height; }
  int ShortSide() const { return width < height ? width : height; }
};

/// Looks whether a JPEG begins here. Stricter than ProbeJpeg(): segments must follow each other without a
/// byte between them up to the first scan, so that a sensor's noise does not look like one. Steps from
/// segment to segment, at most 100. Never reads outside; thread-safe.
JpegShape ReadJpegShape(std::span<const uint8_t> bytes);

}  // namespace photovec::decode
