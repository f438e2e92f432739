// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/status.h"
#include "decode/decoder.h"
#include "decode/formats/heif/planes.h"

struct heif_image;

namespace photovec::decode {

/// Planes that libheif decoded, for as long as this lives. Movable.
class HeifPicture {
 public:
  HeifPicture() : image_(nullptr, nullptr) {}
  HeifPicture(const heif_image* image, void (*release)(const heif_image*)) : image_(image, release) {}

  HeifPlanes planes;

 private:
  std::unique_ptr<const heif_image, void (*)(const heif_image*)> image_;
};

/// Decodes a file that MakeStillFile() made. Blocks; any thread, after EnableHeif().
/// \param pixels an upper bound of the picture's, for versions of libheif that take one.
/// Errors: kImageCorrupt, kUnsupportedFormat, kDecodeLimit, with libheif's words.
Status DecodeStillFile(std::span<const uint8_t> file, int64_t pixels, const Limits& limits, HeifPicture* out);

/// Why this process cannot decode AVIF (or else HEIC); OK when it can. Thread-safe after EnableHeif().
Status CheckHeifCodec(bool av1);

}  // namespace photovec::decode
