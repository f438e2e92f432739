// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "base/status.h"
#include "decode/decoder.h"
#include "decode/header_probe.h"

namespace photovec::decode {

/// An upper bound on what entropy decoding may visit, over all scans of a JPEG. A normal progressive photo of
/// 50 MP visits about 12 million blocks, at 5 to 25 ns each; this bound keeps a hostile one near 2 s.
inline constexpr int64_t kMaxJpegBlockVisits = 60'000'000;

/// The encoded file, before anything is read from it.
/// Errors: kUnsupportedFormat when empty, kBodyTooLarge.
Status CheckFileSize(size_t encoded_bytes, const Limits& limits);

/// The photo, after its header was read and before any pixel is allocated.
/// \param scale_denominator what the decoder is going to use: it shrinks the output, not the coefficients.
/// Errors: kTooManyPixels (sides or area), kDecodeLimit (scans, entropy work, memory).
Status CheckHeader(const ImageHeader& header, int scale_denominator, AlphaMode alpha, const Limits& limits);

/// Working memory of one decode at its peak: pixels plus what the codec holds. Estimated from above for every
/// format, except for the Huffman tables of a hostile lossless WebP.
int64_t EstimateDecoderBytes(const ImageHeader& header, int scale_denominator, AlphaMode alpha);

}  // namespace photovec::decode
