// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "base/image.h"
#include "base/status.h"
#include "decode/decoder.h"
#include "decode/header_probe.h"
#include "preprocess/spec.h"

namespace photovec::decode {
namespace jpeg {
class OwnDecoder;
}

/// The part of a (scaled) output that anybody will look at. The default is all of it.
struct PixelWindow {
  int first_row = 0;
  int end_row = std::numeric_limits<int>::max();
  int first_column = 0;
  int end_column = std::numeric_limits<int>::max();
};

/// Which part of the decoded (stored, 1/scale_denominator) image preprocessing can look at: what the centre
/// crop keeps, plus what the resize filter reaches beyond it. From above; the whole image when the spec keeps
/// it all.
PixelWindow CropWindow(const ImageHeader& header, int scale_denominator, const preprocess::Spec& spec);

/// One photo whose header has passed the limits. Borrows everything.
struct PixelRequest {
  std::span<const uint8_t> encoded;
  const ImageHeader* header = nullptr;
  /// 1, 2, 4 or 8. JPEG scales in any way, HEIC and AVIF up to HeifFacts::max_scale; the others require 1.
  /// Scaled pixels are the means of the photo's, in about the place of each.
  int scale_denominator = 1;
  /// A JPEG decoder may leave pixels outside undefined; the pixels inside are the same as without a window.
  /// The other codecs ignore it.
  PixelWindow window;
  AlphaMode alpha = AlphaMode::kDrop;
  JpegChoice jpeg_decoder = JpegChoice::kAuto;
  DamagedMode damaged = DamagedMode::kStrict;
  Limits limits;
};

/// Memory that codecs keep between photos.
struct CodecScratch {
  std::vector<uint8_t> bytes;
  std::shared_ptr<jpeg::OwnDecoder> jpeg;  ///< made by the first JPEG
  bool by_own_decoder = false;             ///< whether it gave the last JPEG's pixels
  /// The ICC profile of the last JPEG XL's pixels: it is compressed in there, so only its codec knows it.
  std::vector<uint8_t> icc;
  /// Said by JudgeDamage() of the last photo: how many rows of the header's height are sound, when it is
  /// damaged and was read nevertheless (DamagedMode::kTolerant); -1: all of them.
  int damaged_after_rows = -1;

  /// At least `size` bytes, contents undefined.
  uint8_t* Reserve(size_t size) {
    if (bytes.size() < size) bytes.resize(size);
    return bytes.data();
  }
};

/// Fills `out` with the photo's pixels in stored order (orientation is not applied), [ceil(height / d),
/// ceil(width / d), 3]. HEIC and AVIF come as they are to be shown: turned, mirrored and cropped (so possibly
/// smaller than the header said), once; their header says orientation 1. Blocks; thread-safe as long as
/// scratch and out are one thread's. Errors: kImageCorrupt (the message says how far it came),
/// kUnsupportedFormat, kDecodeLimit. `out` is then undefined.
Status DecodePixels(const PixelRequest& request, CodecScratch* scratch, RgbImage* out);

/// What a codec returns of a damaged photo all of whose pixels it wrote, those that are missing in the way
/// that its reference decoder leaves them.
/// \param sound_rows of the header's height: those that were decoded without an error.
/// \param error      what is wrong, for those who do not take it.
/// \return OK, with scratch->damaged_after_rows set, in tolerant mode when half of the rows are sound; else
/// `error`, with what the tolerant mode has to say.
Status JudgeDamage(const PixelRequest& request, int sound_rows, const Status& error, CodecScratch* scratch);

/// What libjpeg-turbo alone needs for a full decode to RGB: the anchor of `bench decode`. Default settings,
/// no limits, no checks of warnings. For trusted files only. Errors: kImageCorrupt with libjpeg's message.
Status DecodeJpegPlain(std::span<const uint8_t> encoded, RgbImage* out);

/// c over white with coverage a, rounded.
inline uint8_t OverWhite(uint8_t c, uint8_t a) {
  return static_cast<uint8_t>((c * a + 255 * (255 - a) + 127) / 255);
}

}  // namespace photovec::decode
