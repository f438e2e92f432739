// SPDX-License-Identifier: MIT
#include "base/strings.h"

#include <openssl/evp.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace photovec {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr int8_t kBad = -1;
constexpr int8_t kSpace = -2;
constexpr int8_t kPad = -3;

constexpr std::array<int8_t, 256> MakeDecodeTable() {
  std::array<int8_t, 256> table{};
  table.fill(kBad);
  for (size_t i = 0; i < kAlphabet.size(); ++i) {
    table[static_cast<uint8_t>(kAlphabet[i])] = static_cast<int8_t>(i);
  }
  table['-'] = 62;
  table['_'] = 63;
  for (const char c : {' ', '\t', '\r', '\n'}) table[static_cast<uint8_t>(c)] = kSpace;
  table['='] = kPad;
  return table;
}
constexpr auto kDecode = MakeDecodeTable();

}  // namespace

std::string Base64Encode(std::span<const uint8_t> bytes) {
  std::string out((bytes.size() + 2) / 3 * 4, '=');
  size_t o = 0;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t left = bytes.size() - i;
    const uint32_t word = static_cast<uint32_t>(bytes[i]) << 16 |
                          (left > 1 ? static_cast<uint32_t>(bytes[i + 1]) << 8 : 0U) |
                          (left > 2 ? static_cast<uint32_t>(bytes[i + 2]) : 0U);
    out[o] = kAlphabet[word >> 18];
    out[o + 1] = kAlphabet[(word >> 12) & 63];
    if (left > 1) out[o + 2] = kAlphabet[(word >> 6) & 63];
    if (left > 2) out[o + 3] = kAlphabet[word & 63];
    o += 4;
  }
  return out;
}

Result<std::string> Base64Decode(std::string_view text) {
  const auto bad = [](size_t offset) {
    return Status(Code::kInvalidRequest, "invalid base64 at offset " + std::to_string(offset));
  };
  std::string out;
  out.reserve(text.size() / 4 * 3 + 3);
  uint32_t word = 0;
  int digits = 0;
  bool padded = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const int8_t value = kDecode[static_cast<uint8_t>(text[i])];
    if (value == kSpace) continue;
    if (value == kPad) {
      padded = true;
      continue;
    }
    if (value == kBad || padded) return bad(i);
    word = word << 6 | static_cast<uint32_t>(value);
    if (++digits == 4) {
      out.push_back(static_cast<char>(word >> 16));
      out.push_back(static_cast<char>(word >> 8));
      out.push_back(static_cast<char>(word));
      word = 0;
      digits = 0;
    }
  }
  if (digits == 1) return bad(text.size());
  if (digits >= 2) out.push_back(static_cast<char>(word >> (digits == 2 ? 4 : 10)));
  if (digits == 3) out.push_back(static_cast<char>(word >> 2));
  return out;
}

std::string HumanBytes(uint64_t bytes) {
  constexpr std::array<const char*, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024.0 && unit + 1 < kUnits.size()) {
    value /= 1024.0;
    ++unit;
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), value >= 100 || unit == 0 ? "%.0f %s" : "%.1f %s", value,
                kUnits[unit]);
  return text.data();
}

Result<uint64_t> ParseBytes(std::string_view text) {
  const auto bad = [&] {
    return Status(Code::kInvalidRequest,
                  "'" + std::string(text) + "' is not a size; write 4096, 64MiB or 1.5G");
  };
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || !(value >= 0) || !std::isfinite(value)) return bad();
  std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  int power = 0;
  if (!unit.empty()) {
    constexpr std::string_view kLetters = "KMGT";
    const size_t at = kLetters.find(static_cast<char>(unit.front() & ~0x20));
    if (at != std::string_view::npos) {
      power = static_cast<int>(at) + 1;
      unit.remove_prefix(1);
      if (unit == "iB" || unit == "ib" || unit == "B" || unit == "b") unit = {};
    } else if (unit == "B" || unit == "b") {
      unit = {};
    }
    if (!unit.empty()) return bad();
  }
  const double bytes = std::ldexp(value, 10 * power);
  if (bytes >= 0x1p63) return bad();
  return static_cast<uint64_t>(bytes);
}

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  ok_ = context_ != nullptr &&
        EVP_DigestInit_ex(static_cast<EVP_MD_CTX*>(context_), EVP_sha256(), nullptr) == 1;
}
Sha256::~Sha256() { EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(context_)); }

void Sha256::Update(std::span<const uint8_t> bytes) {
  ok_ = ok_ && EVP_DigestUpdate(static_cast<EVP_MD_CTX*>(context_), bytes.data(), bytes.size()) == 1;
}

void Sha256::Update(std::string_view text) {
  Update(std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
}

std::optional<std::array<uint8_t, 32>> Sha256::Digest() {
  std::array<uint8_t, 32> digest{};
  if (!ok_ || EVP_DigestFinal_ex(static_cast<EVP_MD_CTX*>(context_), digest.data(), nullptr) != 1) {
    return std::nullopt;
  }
  return digest;
}

std::string Sha256::HexDigest() {
  const std::array<uint8_t, 32> digest = Digest().value_or(std::array<uint8_t, 32>{});
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  for (const uint8_t byte : digest) {
    out.push_back(kHex[byte >> 4]);
    out.push_back(kHex[byte & 15]);
  }
  return out;
}

}  // namespace photovec
