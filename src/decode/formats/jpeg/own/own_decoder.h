// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "base/image.h"
#include "decode/pixel_decoder.h"

namespace photovec::decode::jpeg {

/// Decodes plain JPEGs 1.6 to 3 times as fast as libjpeg-turbo, to the same pixels (docs/jpeg.md): 8-bit
/// Huffman, grey or YCbCr, chroma at full size or halved in one direction or both. Everything else, and
/// whatever looks odd while it decodes, it hands back, so that libjpeg-turbo decides what it is and what to
/// say.
///
/// Strangers' bytes: every part states what it may read and write and why (headers.h, scan_data.h, entropy.h,
/// row_output.h). Time is bounded by the number of blocks, and bits that are used up end it within a row.
/// Memory: a copy of the file, 32 rows of samples, tables; kept from photo to photo. Not thread-safe.
class OwnDecoder {
 public:
  OwnDecoder();
  ~OwnDecoder();
  OwnDecoder(const OwnDecoder&) = delete;
  OwnDecoder& operator=(const OwnDecoder&) = delete;

  /// Whether this CPU has what makes it pay (AVX2 and BMI2).
  static bool SupportedHere();

  /// \param bytes where the unstuffed data goes; grown as needed.
  /// \return whether `out` has the pixels of the window, those that libjpeg-turbo gives; if not, `out` is
  /// undefined and libjpeg-turbo has to do it.
  bool Decode(const PixelRequest& request, CodecScratch* bytes, RgbImage* out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace photovec::decode::jpeg
