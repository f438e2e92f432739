// SPDX-License-Identifier: MIT
#include "fetch/reference.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

namespace photovec::fetch {
namespace {

constexpr size_t kShownBytes = 200;

bool StartsWithIgnoringCase(std::string_view text, std::string_view lower_prefix) {
  if (text.size() < lower_prefix.size()) return false;
  return std::equal(lower_prefix.begin(), lower_prefix.end(), text.begin(), [](char want, char have) {
    return want == (have >= 'A' && have <= 'Z' ? static_cast<char>(have + ('a' - 'A')) : have);
  });
}

/// Bytes of the well-formed UTF-8 sequence at the start of `text` (RFC 3629); 0 when there is none.
size_t Utf8Length(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : uint8_t{0}; };
  const auto tail = [&](size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const uint8_t first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF && tail(1)) return 2;
  if ((first & 0xF0) == 0xE0 && tail(1) && tail(2)) {
    const bool overlong = first == 0xE0 && byte(1) < 0xA0;
    const bool surrogate = first == 0xED && byte(1) >= 0xA0;
    return overlong || surrogate ? 0 : 3;
  }
  if (first >= 0xF0 && first <= 0xF4 && tail(1) && tail(2) && tail(3)) {
    const bool overlong = first == 0xF0 && byte(1) < 0x90;
    const bool too_high = first == 0xF4 && byte(1) >= 0x90;
    return overlong || too_high ? 0 : 4;
  }
  return 0;
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

Scheme SchemeOf(std::string_view reference) {
  constexpr std::array<std::pair<std::string_view, Scheme>, 6> kSchemes = {{
      {"data:", Scheme::kData},
      {"http:", Scheme::kHttp},
      {"https:", Scheme::kHttp},
      {"file:", Scheme::kFile},
      {"gs:", Scheme::kGcs},
      {"s3:", Scheme::kS3},
  }};
  for (const auto& [prefix, scheme] : kSchemes) {
    if (StartsWithIgnoringCase(reference, prefix)) return scheme;
  }
  const size_t colon = reference.find("://");
  constexpr std::string_view kSchemeCharacters =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.";
  const bool other =
      colon != std::string_view::npos && colon > 0 &&
      reference.substr(0, colon).find_first_not_of(kSchemeCharacters) == std::string_view::npos;
  return other ? Scheme::kUnknown : Scheme::kFile;
}

bool IsBareName(std::string_view reference) {
  return SchemeOf(reference) == Scheme::kFile && !StartsWithIgnoringCase(reference, "file:");
}

std::string Shown(std::string_view reference) {
  std::string shown = "'";
  const Scheme scheme = SchemeOf(reference);
  size_t longest = kShownBytes;
  if (scheme == Scheme::kData) longest = 30;
  if (scheme == Scheme::kHttp || scheme == Scheme::kUnknown) {
    reference = reference.substr(0, reference.find_first_of("?#"));
    // Credentials end at the last '@' before the path.
    const size_t authority = reference.find("//");
    if (authority != std::string_view::npos) {
      const size_t path = reference.find('/', authority + 2);
      const size_t at = reference.substr(0, path).rfind('@');
      if (at != std::string_view::npos) {
        shown.append(reference.substr(0, authority + 2));
        reference.remove_prefix(at + 1);
      }
    }
  }
  while (!reference.empty()) {
    if (shown.size() > longest) {
      shown += "...";
      break;
    }
    const size_t length = Utf8Length(reference);
    const auto first = static_cast<uint8_t>(reference.front());
    if (length == 0 || first < 0x20 || first == 0x7F) {
      shown += '?';
    } else {
      shown += reference.substr(0, length);
    }
    reference.remove_prefix(std::max<size_t>(length, 1));
  }
  return shown += '\'';
}

Result<std::string> PercentDecode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? HexValue(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? HexValue(text[i + 2]) : -1;
    if (high < 0 || low < 0) {
      return Status(Code::kInvalidRequest, "the '%' at offset " + std::to_string(i) +
                                               " is not followed by two hex digits; write %25 for a '%'");
    }
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

std::string PercentEncode(std::string_view text, std::string_view also) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
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
    out += {'%', kHex[byte >> 4], kHex[byte & 15]};
  }
  return out;
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const size_t length = Utf8Length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace photovec::fetch
