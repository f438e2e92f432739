// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "decode/header_probe.h"

namespace photovec::decode {

/// Larger profiles are ignored. Cameras and editors embed 0.5 to 600 KB; only printers' ones are larger.
inline constexpr size_t kMaxIccBytes = size_t{4} << 20;

/// The ICC profile inside a photo, as its container holds it.
struct EmbeddedIcc {
  bool found = false;              ///< the photo has one, usable or not
  std::span<const uint8_t> bytes;  ///< 1 to kMaxIccBytes bytes; empty when the container's part is broken
};

/// Takes the profile out of its container; looks at none of its bytes.
///  * JPEG: APP2 segments "ICC_PROFILE" before the first scan, in any order; every number from 1 to the count
///    must be there once. Source: ICC.1:2022 Annex B.4.
///  * PNG: the iCCP chunk, inflated up to kMaxIccBytes. With an sRGB chunk, which says the same in plainer
///    words, there is no profile. Source: PNG (third edition) §11.3.2.3.
///  * WebP: the ICCP chunk before the pixels, when VP8X announces it. Source: RFC 9649 §2.7.1.4.
///  * HEIC, AVIF: what the header probe found at the primary image. Source: ISO/IEC 23008-12 §6.5.5.
///  * JPEG 2000: `colr` of the kind "restricted ICC". Camera raw: that of its JPEG. JPEG XL: its codec has
///  it.
///  * GIF: never.
/// O(file size) at most. Never fails: what is broken is no profile. Thread-safe.
/// \param storage memory for a profile that does not lie in one piece; the result borrows it and `encoded`.
EmbeddedIcc FindIcc(std::span<const uint8_t> encoded, const ImageHeader& header,
                    std::vector<uint8_t>* storage);

// One per format, for FindIcc.
EmbeddedIcc FindJpegIcc(std::span<const uint8_t> encoded, std::vector<uint8_t>* storage);
EmbeddedIcc FindPngIcc(std::span<const uint8_t> encoded, std::vector<uint8_t>* storage);
EmbeddedIcc FindWebpIcc(std::span<const uint8_t> encoded);

}  // namespace photovec::decode
