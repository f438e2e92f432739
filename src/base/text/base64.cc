// SPDX-License-Identifier: MIT
#include "base/text/base64.h"

#include <array>
#include <cstddef>

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

}  // namespace photovec
