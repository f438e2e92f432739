// SPDX-License-Identifier: MIT
#include "fetch/s3/sigv4.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <map>
#include <span>

#include "base/checksum/digest.h"

namespace photovec::fetch {
namespace {

using Digest = std::array<uint8_t, 32>;

Digest Hmac(std::span<const uint8_t> key, std::string_view text) {
  Digest digest{};
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const uint8_t*>(text.data()),
       text.size(), digest.data(), &size);
  return digest;
}

std::string Hex(std::span<const uint8_t> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const uint8_t byte : bytes) out += {kDigits[byte >> 4], kDigits[byte & 15]};
  return out;
}

std::string HexSha256(std::string_view text) {
  Sha256 hash;
  hash.Update(text);
  return hash.HexDigest();
}

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

/// Without spaces at the ends, and with one where there are several.
std::string Squeezed(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c != ' ' || (!out.empty() && out.back() != ' ')) out += c;
  }
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

/// Sorted by name, then value; a name without "=" gets one.
std::string CanonicalQuery(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> parts;
  while (!query.empty()) {
    const std::string_view part = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(part.size() + 1, query.size()));
    if (part.empty()) continue;
    const size_t equals = std::min(part.find('='), part.size());
    parts.emplace_back(part.substr(0, equals), part.substr(std::min(equals + 1, part.size())));
  }
  std::sort(parts.begin(), parts.end());
  std::string out;
  for (const auto& [name, value] : parts) {
    if (!out.empty()) out += '&';
    out += name;
    out += '=';
    out += value;
  }
  return out;
}

struct CanonicalHeaders {
  std::string lines;  ///< "host:example.com\n..."
  std::string names;  ///< "host;x-amz-date"
};

CanonicalHeaders Canonical(const std::vector<std::pair<std::string, std::string>>& headers) {
  std::map<std::string, std::string> sorted;
  for (const auto& [name, value] : headers) {
    const auto [at, fresh] = sorted.try_emplace(Lower(name), Squeezed(value));
    if (!fresh) at->second += "," + Squeezed(value);
  }
  CanonicalHeaders out;
  for (const auto& [name, value] : sorted) {
    out.lines += name;
    out.lines += ':';
    out.lines += value;
    out.lines += '\n';
    if (!out.names.empty()) out.names += ';';
    out.names += name;
  }
  return out;
}

}  // namespace

std::string SigV4Date(std::chrono::system_clock::time_point when) {
  const auto day = std::chrono::floor<std::chrono::days>(when);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::seconds>(when - day));
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%04d%02u%02uT%02d%02d%02dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
                static_cast<int>(time.seconds().count()));
  return text.data();
}

std::string SigV4Authorization(const SigV4Request& request, const AwsKeys& keys) {
  const CanonicalHeaders headers = Canonical(request.headers);
  const std::string canonical = request.method + "\n" + request.path + "\n" + CanonicalQuery(request.query) +
                                "\n" + headers.lines + "\n" + headers.names + "\n" + request.payload_sha256;
  const std::string day = request.date.substr(0, 8);
  const std::string scope = day + "/" + request.region + "/" + request.service + "/aws4_request";
  const std::string to_sign =
      "AWS4-HMAC-SHA256\n" + request.date + "\n" + scope + "\n" + HexSha256(canonical);
  const std::string secret = "AWS4" + keys.secret_access_key;
  Digest key = Hmac({reinterpret_cast<const uint8_t*>(secret.data()), secret.size()}, day);
  for (const std::string_view step : {std::string_view(request.region), std::string_view(request.service),
                                      std::string_view("aws4_request"), std::string_view(to_sign)}) {
    key = Hmac(key, step);
  }
  return "AWS4-HMAC-SHA256 Credential=" + keys.access_key_id + "/" + scope +
         ", SignedHeaders=" + headers.names + ", Signature=" + Hex(key);
}

}  // namespace photovec::fetch
