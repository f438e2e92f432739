// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace photovec::decode {

/// A directory (IFD) of a TIFF or of a camera's raw file built like one, as far as it tells what picture it
/// describes and where that lies. Offsets are not checked. Source: TIFF 6.0 §2; DNG 1.7 §"DNG Tags".
struct TiffDirectory {
  uint32_t width = 0;
  uint32_t height = 0;
  uint32_t compression = 0;
  uint32_t photometric = 0;
  int orientation = 0;  ///< EXIF 1..8; 0: it does not say
  uint32_t strips = 0;  ///< how many
  size_t strip_offset = 0;
  size_t strip_bytes = 0;
  size_t jpeg_offset = 0;  ///< JPEGInterchangeFormat, or Panasonic's JpgFromRaw
  size_t jpeg_bytes = 0;
  bool dng = false;  ///< has DNGVersion

  /// Whether it describes a sensor's numbers and not a picture to look at.
  bool IsSensor() const { return photometric == 32803 || photometric == 34892; }  // CFA, LinearRaw
};

/// The first directory, those chained to it and their SubIFDs, breadth first; at most 32, of at most 1,024
/// entries. Empty when the bytes are no TIFF. Takes any order mark with 42 or the numbers that Olympus (ORF)
/// and Panasonic (RW2) write instead. Bounded by that, not by the file; never fails; thread-safe.
std::vector<TiffDirectory> WalkTiff(std::span<const uint8_t> tiff);

}  // namespace photovec::decode
