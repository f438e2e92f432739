// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "decode/decoder.h"
#include "decode/header_probe.h"

/// A TIFF's samples to RGB, as Pillow 13 does it (docs/images.md says where not).
namespace photovec::decode::tiff {

/// RGB by index.
using Palette = std::array<std::array<uint8_t, 3>, 256>;

/// One row of `count` samples, packed as the file says, to bytes: what has more than 8 bits is scaled (16-bit
/// grey), cut (16-bit colour) or clipped (16-bit signed, 32-bit). Grey of fewer bits is stretched, indices
/// are not.
/// \param in   in the machine's byte order.
/// \param out  one byte a sample, `step` bytes apart.
void ToBytes(const TiffFacts& tiff, const uint8_t* in, size_t count, uint8_t* out, size_t step);

/// One row of `width` pixels of tiff.samples bytes to RGB.
void ToRgb(const TiffFacts& tiff, const Palette& palette, AlphaMode alpha, const uint8_t* in, size_t width,
           uint8_t* out);

}  // namespace photovec::decode::tiff
