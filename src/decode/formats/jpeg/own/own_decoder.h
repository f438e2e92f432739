// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>

#include "base/image.h"
#include "decode/formats/jpeg/own/baseline.h"
#include "decode/formats/jpeg/own/headers.h"
#include "decode/pixel_decoder.h"

namespace photovec::decode::jpeg {

/// Decodes plain JPEGs 1.6 to 3 times as fast as libjpeg-turbo, to the same pixels (docs/jpeg.md): 8-bit
/// Huffman, grey or YCbCr, chroma at full size or halved in one direction or both. Everything else, and
/// whatever looks odd while it decodes, it hands back, so that libjpeg-turbo decides what it is and what to
/// say.
///
/// Strangers' bytes: every part states what it may read and write and why (headers.h, scan_data.h, entropy.h,
/// row_output.h). Time is bounded by the number of blocks, and bits that are used up end it within a row.
/// Memory: a copy of the file, 32 rows of samples, tables; kept from photo to photo. Not thread-safe. One
/// photo at a time; two OwnDecoders of one thread decode two (ContinueBoth).
class OwnDecoder {
 public:
  /// \param beside another one, on the same thread, whose tables it shares; null: none.
  explicit OwnDecoder(OwnDecoder* beside = nullptr);
  ~OwnDecoder();
  OwnDecoder(const OwnDecoder&) = delete;
  OwnDecoder& operator=(const OwnDecoder&) = delete;

  /// Whether this CPU has what makes it pay (AVX2 and BMI2).
  static bool SupportedHere();

  /// \param bytes where the unstuffed data goes; grown as needed.
  /// \return whether `out` has the pixels of the window, those that libjpeg-turbo gives; if not, `out` is
  /// undefined and libjpeg-turbo has to do it.
  bool Decode(const PixelRequest& request, CodecScratch* bytes, RgbImage* out);

  /// The same step by step, for a photo that can be decoded beside another one: kHandedBack for every other
  /// one, progressive ones too, which are nevertheless Decode()'s. All is borrowed until the end.
  Progress Start(const PixelRequest& request, CodecScratch* bytes, RgbImage* out);
  /// Goes on with one that is at kMore, by that many rows of MCUs at most.
  Progress Continue(int mcu_rows);
  /// Goes on with two that are at kMore until one of them is at its end. 1.2 to 1.3 times as fast as one
  /// after the other: while one stream waits for a look-up, the other one's is under way.
  static void ContinueBoth(OwnDecoder* first, OwnDecoder* second, Progress* a, Progress* b);

 private:
  std::optional<HeaderReader> ReadHeaders(const PixelRequest& request, CodecScratch* bytes, RgbImage* out);
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace photovec::decode::jpeg
