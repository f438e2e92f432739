// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "testing/test_images.h"

/// Colour profiles made by lcms2 at test time, and photos that carry them.
namespace photovec::test {

enum class IccKind {
  kSrgb,
  kDisplayP3,
  kAdobeRgb,
  kProPhoto,
  kTable,       ///< Display P3's colours as a table of 17^3 entries (A2B0) with Lab between
  kMultiStage,  ///< Display P3 with a multi-process element (D2B0)
  kGrey,        ///< gamma 1.8
  kCmyk,
};
/// Aborts for a name that does not exist: "srgb", "p3", "adobe", "prophoto", "table", "multistage", "grey",
/// "cmyk".
IccKind IccKindOf(std::string_view name);
/// The same bytes each time.
Encoded MakeIcc(IccKind kind);
/// The same profile, `size` bytes long: lcms2 and Pillow pass what follows the last tag.
Encoded PadIcc(Encoded profile, size_t size);

/// An APP2 segment with one chunk of a profile.
Encoded IccSegment(std::span<const uint8_t> chunk, int number, int count);
/// A JPEG with the profile in `count` chunks, written in the order of `order` (numbers from 1; empty: 1, 2,
/// ...).
Encoded JpegWithIcc(const Encoded& jpeg, std::span<const uint8_t> profile, int count = 1,
                    const std::vector<int>& order = {});
/// The data of an iCCP chunk.
Encoded IccpData(std::span<const uint8_t> profile);
Encoded PngWithIcc(const Encoded& png, std::span<const uint8_t> profile);
Encoded WebpWithIcc(const Encoded& still, int width, int height, std::span<const uint8_t> profile);

}  // namespace photovec::test
