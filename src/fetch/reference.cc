// SPDX-License-Identifier: MIT
#include "fetch/reference.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "base/text/ascii.h"
#include "base/text/utf8.h"

namespace photovec::fetch {
namespace {

constexpr size_t kShownBytes = 200;

bool StartsWithIgnoringCase(std::string_view text, std::string_view lower_prefix) {
  return EqualIgnoringCase(text.substr(0, lower_prefix.size()), lower_prefix);
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

std::string_view WithoutLead(std::string_view reference) {
  const std::string_view trimmed = TrimAscii(reference);
  return IsBareName(trimmed) ? reference
                             : reference.substr(static_cast<size_t>(trimmed.data() - reference.data()));
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
    const size_t length = Utf8SequenceLength(reference, 0);
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

}  // namespace photovec::fetch
