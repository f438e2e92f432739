// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "decode/header_probe.h"

namespace photovec::decode {

/// An ICC profile that says the same as the code points of an SDR photo, for the way that ICC profiles go.
///
/// The curves of BT.709, BT.601 and BT.2020, and unspecified ones, count as sRGB's: photos in them are made
/// to be looked at on the same displays. Gamma 2.2, gamma 2.8 and linear light are what they say. \return
/// nothing for code points that need no conversion (sRGB's), and for those that are no photos' (reserved or
/// unspecified primaries, logarithmic curves).
std::vector<uint8_t> ProfileOfCode(const ColourCode& code);

}  // namespace photovec::decode
