// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>

namespace photovec::decode {

/// The orientation (tag 0x0112 of IFD 0) of an EXIF block, with or without its "Exif\0\0" prefix: 1..8.
/// 1 when the tag is missing or anything about the block is broken: a bad EXIF never costs a photo.
/// Source: EXIF 2.32 §4.6.4; TIFF 6.0 §2.
int ExifOrientation(std::span<const uint8_t> exif);

}  // namespace photovec::decode
