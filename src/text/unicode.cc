// SPDX-License-Identifier: MIT
#include "text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <vector>

namespace photovec::text {

namespace {

/// The first byte of U+0300: what is below it is in form C already.
constexpr unsigned char kFirstThatComposes = 0xCC;
constexpr char32_t kCapitalIWithDot = 0x130;
constexpr size_t kLongestDecomposition = 32;  // 4 characters are the most of the canonical ones

utf8proc_category_t Category(char32_t character) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(character));
}

utf8proc_propval_t CombiningClass(utf8proc_int32_t character) {
  return utf8proc_get_property(character)->combining_class;
}

/// Sorts each run of combining marks by class (the canonical order); equal ones keep their order.
void SortMarks(std::vector<utf8proc_int32_t>& characters) {
  const auto is_mark = [](utf8proc_int32_t character) { return CombiningClass(character) != 0; };
  for (auto begin = characters.begin(); begin != characters.end();) {
    begin = std::find_if(begin, characters.end(), is_mark);
    const auto end = std::find_if_not(begin, characters.end(), is_mark);
    std::stable_sort(begin, end, [](utf8proc_int32_t a, utf8proc_int32_t b) {
      return CombiningClass(a) < CombiningClass(b);
    });
    begin = end;
  }
}

}  // namespace

void AppendUtf8(char32_t character, std::string& out) {
  std::array<utf8proc_uint8_t, 4> bytes{};
  const utf8proc_ssize_t length =
      utf8proc_encode_char(static_cast<utf8proc_int32_t>(character), bytes.data());
  out.append(reinterpret_cast<const char*>(bytes.data()), static_cast<size_t>(length));
}

char32_t NextCharacter(std::string_view text, size_t& at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const auto tail = [&](size_t i) { return char32_t{byte(i)} & 0x3F; };
  const char32_t first = byte(0);
  if (first < 0x80) {
    at += 1;
    return first;
  }
  char32_t character = 0;
  if (first < 0xE0) {
    character = (first & 0x1F) << 6 | tail(1);
    at += 2;
  } else if (first < 0xF0) {
    character = (first & 0x0F) << 12 | tail(1) << 6 | tail(2);
    at += 3;
  } else {
    character = (first & 0x07) << 18 | tail(1) << 12 | tail(2) << 6 | tail(3);
    at += 4;
  }
  return character;
}

bool IsLetter(char32_t character) {
  const utf8proc_category_t category = Category(character);
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

bool IsNumber(char32_t character) {
  const utf8proc_category_t category = Category(character);
  return category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO;
}

bool IsWhitespace(char32_t character) {
  if (character < 0x80) return character == ' ' || (character >= '\t' && character <= '\r');
  const utf8proc_category_t category = Category(character);
  return character == 0x85 || (category >= UTF8PROC_CATEGORY_ZS && category <= UTF8PROC_CATEGORY_ZP);
}

bool IsPythonWhitespace(char32_t character) {
  return IsWhitespace(character) || (character >= 0x1C && character <= 0x1F);
}

std::string Nfc(std::string_view text) {
  const bool composed = std::none_of(text.begin(), text.end(), [](char byte) {
    return static_cast<unsigned char>(byte) >= kFirstThatComposes;
  });
  if (composed) return std::string(text);
  std::vector<utf8proc_int32_t> characters;
  characters.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const char32_t character = NextCharacter(text, at);
    std::array<utf8proc_int32_t, kLongestDecomposition> parts{};
    int boundary = 0;
    const utf8proc_ssize_t count =
        utf8proc_decompose_char(static_cast<utf8proc_int32_t>(character), parts.data(), parts.size(),
                                UTF8PROC_DECOMPOSE, &boundary);
    characters.insert(characters.end(), parts.begin(), parts.begin() + count);
  }
  SortMarks(characters);
  const utf8proc_ssize_t count =
      utf8proc_normalize_utf32(characters.data(), static_cast<utf8proc_ssize_t>(characters.size()),
                               static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  characters.resize(static_cast<size_t>(count));
  std::string out;
  out.reserve(text.size());
  for (const utf8proc_int32_t character : characters) AppendUtf8(static_cast<char32_t>(character), out);
  return out;
}

void AppendLower(char32_t character, std::string& out) {
  if (character == kCapitalIWithDot) {
    out += "i\xCC\x87";
    return;
  }
  AppendUtf8(static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(character))), out);
}

std::string Lower(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) AppendLower(NextCharacter(text, at), out);
  return out;
}

}  // namespace photovec::text
