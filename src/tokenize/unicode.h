// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

/// The few properties of characters that tokenizers ask for, of the Unicode version of the installed utf8proc
/// (15.0 on Debian 12). All functions take valid UTF-8 or Unicode scalar values, are thread-safe and take
/// linear time.
namespace photovec::tokenize {

/// Appends the character's UTF-8.
void AppendUtf8(char32_t character, std::string& out);
/// The character that starts at text[at], and moves `at` behind it.
char32_t NextCharacter(std::string_view text, size_t& at);

bool IsLetter(char32_t character);      ///< general category L*: \p{L}
bool IsNumber(char32_t character);      ///< general category N*: \p{N}
bool IsWhitespace(char32_t character);  ///< the property White_Space: \s of Rust and Oniguruma
/// str.isspace() of Python, and \s of its `re`: White_Space and the four separators U+001C to U+001F.
bool IsPythonWhitespace(char32_t character);

/// Normalization form C. Combining marks are sorted in n log n, which utf8proc's own decomposition does not
/// do.
std::string Nfc(std::string_view text);

/// Appends the lower case of one character without looking at its neighbours: Rust's char::to_lowercase,
/// which never makes a final sigma, and makes two characters only of U+0130.
void AppendLower(char32_t character, std::string& out);
std::string Lower(std::string_view text);
/// str.lower() of Python, which writes a sigma at the end of a word in its final form.
std::string LowerInContext(std::string_view text);

}  // namespace photovec::tokenize
