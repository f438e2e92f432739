// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

/// UTF-8 as RFC 3629 defines it (Unicode table 3-7): no overlong forms, no surrogates, nothing above
/// U+10FFFF.
namespace photovec {

/// What a byte that is not part of valid UTF-8 becomes wherever text must be valid: U+FFFD.
inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

/// Length of the sequence that starts at text[at] (at < text.size()), or 0 when it is none.
size_t Utf8SequenceLength(std::string_view text, size_t at);
bool IsValidUtf8(std::string_view text);
/// `text` with U+FFFD in the place of each byte that is not part of valid UTF-8.
std::string ToValidUtf8(std::string_view text);

}  // namespace photovec
