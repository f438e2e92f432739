// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace photovec::net {

/// The classes of bytes that HTTP's grammar is made of (RFC 9110 §5.6). Locales do not matter.
constexpr bool IsBlank(char c) { return c == ' ' || c == '\t'; }
constexpr bool IsDigit(char c) { return c >= '0' && c <= '9'; }
constexpr bool IsAlphanumeric(char c) {
  return IsDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
/// Of a field's name.
constexpr bool IsTokenByte(char c) {
  return IsAlphanumeric(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}
/// Of a field's value: no control character but the tabulator.
constexpr bool IsTextByte(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
}

}  // namespace photovec::net
