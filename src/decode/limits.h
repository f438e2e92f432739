// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "base/status.h"
#include "decode/decoder.h"
#include "decode/header_probe.h"

namespace photovec::decode {

/// The encoded file, before anything is read from it.
/// Errors: kUnsupportedFormat when empty, kBodyTooLarge.
Status CheckFileSize(size_t encoded_bytes, const Limits& limits);

/// The photo, after its header was read and before any pixel is allocated.
/// \param scale_denominator what the decoder is going to use: it shrinks the output, not the coefficients.
/// Messages name the flag that allows more.
/// Errors: kTooManyPixels (sides or area), kDecodeLimit (scans, memory, time).
Status CheckHeader(const ImageHeader& header, int scale_denominator, AlphaMode alpha, const Limits& limits,
                   size_t encoded_bytes = 0);

/// The encoded bytes as they lie in the memory that is shared with a decoder process, and as a codec may copy
/// them.
inline constexpr int64_t kCopiesOfTheFile = 2;

/// What decoding it takes. Estimated from above for every format, except for the
/// Huffman tables of a hostile lossless WebP.
DecodeCost EstimateCost(const ImageHeader& header, int scale_denominator, AlphaMode alpha,
                        size_t encoded_bytes = 0);

}  // namespace photovec::decode
