// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>

namespace photovec::decode {

/// Whether a file is a camera's raw photo: by the signatures that raw formats have of their own, and of those
/// that begin as a TIFF by what its directories say. Never reads outside of `encoded`. O(1).
bool IsCameraRaw(std::span<const uint8_t> encoded);

}  // namespace photovec::decode
