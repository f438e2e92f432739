// SPDX-License-Identifier: MIT
#include "base/text/percent.h"

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/text/ascii.h"

namespace photovec {
namespace {

/// The byte that the escape at text[at] stands for.
std::optional<char> EscapedByte(std::string_view text, size_t at) {
  if (text[at] != '%' || at + 2 >= text.size()) return std::nullopt;
  const int high = HexValue(text[at + 1]);
  const int low = HexValue(text[at + 2]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<char>(high * 16 + low);
}

}  // namespace

Result<std::string> PercentDecode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const std::optional<char> byte = EscapedByte(text, i);
    if (!byte.has_value()) {
      return Status(Code::kInvalidRequest, "the '%' at offset " + std::to_string(i) +
                                               " is not followed by two hex digits; write %25 for a '%'");
    }
    out += *byte;
    i += 2;
  }
  return out;
}

std::string PercentDecodeLeniently(std::string_view text, Plus plus) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (const std::optional<char> byte = EscapedByte(text, i); byte.has_value()) {
      out += *byte;
      i += 2;
    } else {
      out += plus == Plus::kSpace && text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

std::string PercentEncode(std::string_view text, std::string_view also) {
  constexpr std::string_view kUnreserved =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
  std::string out;
  out.reserve(text.size() + 16);
  for (const char c : text) {
    if (kUnreserved.find(c) != std::string_view::npos || also.find(c) != std::string_view::npos) {
      out += c;
      continue;
    }
    const auto byte = static_cast<uint8_t>(c);
    out += {'%', kUpperHexDigits[byte >> 4], kUpperHexDigits[byte & 15]};
  }
  return out;
}

}  // namespace photovec
