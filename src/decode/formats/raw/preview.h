// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"
#include "decode/formats/raw/jpeg_shape.h"

namespace photovec::decode {

/// A smaller preview is a thumbnail: models would be shown a blur.
inline constexpr int kMinRawPreviewSide = 256;

/// The JPEG that a camera put beside its sensor's numbers.
struct RawPreview {
  std::span<const uint8_t> jpeg;  ///< from its beginning to where it ends at the latest
  JpegShape shape;
  /// EXIF 1..8 that turns the preview upright: its own, else the file's, unless the camera turned its pixels
  /// already.
  int orientation = 1;
};

/// The largest JPEG in a raw file that IsCameraRaw() knows: from the directories of those built like TIFF
/// (DNG, CR2, NEF, ARW, PEF, SRW, RW2, ORF, ...) and from the head of a RAF; where these name none of 1,000
/// pixels (CR3, ORF), wherever in the file one begins. Borrows the file. O(file size) at most; thread-safe.
/// Errors: kUnsupportedFormat (there is none, or one below kMinRawPreviewSide), kImageCorrupt (it lies
/// outside of the file).
Result<RawPreview> FindRawPreview(std::span<const uint8_t> file);

}  // namespace photovec::decode
