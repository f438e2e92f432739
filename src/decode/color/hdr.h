// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "decode/color/primaries.h"
#include "decode/header_probe.h"

namespace photovec::decode {

/// Brings 8-bit pixels of an HDR photo (PQ or HLG) to sRGB.
///
///  1. Light of the display, in cd/m2: PQ by SMPTE ST 2084's EOTF; HLG by the inverse OETF and the OOTF of
///  ITU-R BT.2100 for
///     a display of 1000 cd/m2 (system gamma 1.2).
///  2. What is brighter than 203 cd/m2, BT.2408's reference white, is rolled off: the EETF of ITU-R BT.2390
///  §5.4.1 from a
///     peak of 1000 to one of 203 cd/m2, of the largest of R, G and B; the three keep their proportions.
///  3. The primaries become BT.709's; what lies outside is clipped. 203 cd/m2 is white; the curve is sRGB's.
///
/// Immutable; thread-safe.
class HdrToSrgb {
 public:
  /// Whether the code points are those of HDR.
  static bool IsHdr(const ColourCode& code) { return code.transfer == 16 || code.transfer == 18; }

  /// \param code of HDR; its primaries are BT.2020's if they are unspecified.
  explicit HdrToSrgb(const ColourCode& code);

  /// Converts `count` pixels in place.
  void Apply(uint8_t* rgb, int count) const;

  /// The EETF, both ends in cd/m2. For tests.
  static double RollOff(double nits);

 private:
  bool hlg_ = false;
  std::array<float, 256> light_{};  ///< of a level: PQ in cd/m2, HLG of the scene, 0 to 1
  std::array<float, 3> luminance_{};
  std::array<std::array<float, 3>, 3> to_709_{};
  std::vector<float> ootf_;      ///< Y^0.2 by the square root of Y
  std::vector<float> roll_off_;  ///< RollOff(L) / L by the square root of L / 1000
  std::vector<uint8_t> srgb_;    ///< levels of linear light
};

}  // namespace photovec::decode
