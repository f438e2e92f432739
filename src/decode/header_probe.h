// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"
#include "decode/decoder.h"

namespace photovec::decode {

/// What a JPEG's frame header and scan headers promise.
struct JpegFacts {
  int components = 0;  ///< 1 (grey), 3 or 4
  bool progressive = false;
  bool multi_scan = false;        ///< all coefficients are held in memory until the last scan was read
  int scans = 1;                  ///< counted to the end of the file when multi_scan
  int64_t coefficient_bytes = 0;  ///< of the whole image at full size
  int64_t block_visits = 0;       ///< 8x8 blocks that entropy decoding touches, over all scans
};

struct PngFacts {
  int bit_depth = 0;
  int color_type = 0;  ///< 0 grey, 2 RGB, 3 palette, 4 grey + alpha, 6 RGBA
  bool interlaced = false;
};

/// A rectangle of the canvas, pixels.
struct FrameRect {
  int x = 0;
  int y = 0;
  int width = 0;
  int height = 0;
};

struct WebpFacts {
  bool lossless = false;
  bool has_alpha = false;
  bool animated = false;
  FrameRect frame;  ///< of the first frame; the whole canvas when not animated
  std::span<const uint8_t>
      payload;  ///< what libwebp decodes: the whole file, or the chunks of the first frame
};

struct GifFacts {
  FrameRect frame;
  int transparent_index = -1;
};

/// Everything that a header says before any pixel is allocated. Only the facts of `format` are set.
struct ImageHeader {
  Format format = Format::kUnknown;
  int width = 0;  ///< stored size (the canvas for WebP and GIF), before orientation
  int height = 0;
  int orientation = 1;  ///< EXIF 1..8; 1 when EXIF is absent or broken
  JpegFacts jpeg;
  PngFacts png;
  WebpFacts webp;
  GifFacts gif;
};

/// Reads the header of one photo. O(file size) in the worst case, a few hundred nanoseconds for most;
/// allocates nothing. The result borrows `encoded` (WebpFacts::payload). Thread-safe. Errors:
/// kUnsupportedFormat (unknown content, or a variant that no decoder here knows: lossless or 12-bit JPEG),
/// kImageCorrupt (the header is cut or contradicts itself).
Result<ImageHeader> ProbeHeader(std::span<const uint8_t> encoded);

// One per format, for ProbeHeader.
Result<ImageHeader> ProbeJpeg(std::span<const uint8_t> encoded);
Result<ImageHeader> ProbePng(std::span<const uint8_t> encoded);
Result<ImageHeader> ProbeWebp(std::span<const uint8_t> encoded);
Result<ImageHeader> ProbeGif(std::span<const uint8_t> encoded);

}  // namespace photovec::decode
