// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

/// %XX in URLs (RFC 3986 §2.1).
namespace photovec {

/// Undoes %XX; a "+" stays one. Errors: kInvalidRequest with the offset of a "%" that two hex digits do not
/// follow.
Result<std::string> PercentDecode(std::string_view text);

/// What a "+" means: a space in forms and query strings, itself everywhere else.
enum class Plus { kLiteral, kSpace };

/// The same for what comes from clients that are not ours to correct: malformed escapes stay as they are.
std::string PercentDecodeLeniently(std::string_view text, Plus plus);

/// Writes every byte as %XX (upper case) except the unreserved characters of RFC 3986 §2.3 (letters, digits,
/// "-", ".", "_", "~") and those in `also`: "/" for a path whose slashes separate.
std::string PercentEncode(std::string_view text, std::string_view also = "");

}  // namespace photovec
