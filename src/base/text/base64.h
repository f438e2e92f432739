// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace photovec {

/// Standard base64 (RFC 4648 §4) with padding.
std::string Base64Encode(std::span<const uint8_t> bytes);
/// Decodes standard or URL-safe base64, padded or not; ASCII white space is skipped.
/// Errors: kInvalidRequest naming the offset of the first bad character.
Result<std::string> Base64Decode(std::string_view text);

}  // namespace photovec
