// SPDX-License-Identifier: MIT
#include "tokenize/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <vector>

namespace photovec::tokenize {

namespace {

/// The first byte of U+0300: what is below it is in form C already.
constexpr unsigned char kFirstThatComposes = 0xCC;
constexpr char32_t kCapitalIWithDot = 0x130;
constexpr char32_t kCapitalSigma = 0x3A3;
constexpr std::string_view kFinalSigma = "\xCF\x82";
constexpr size_t kLongestDecomposition = 32;  // 4 characters are the most of the canonical ones

utf8proc_category_t Category(char32_t character) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(character));
}

utf8proc_propval_t CombiningClass(utf8proc_int32_t character) {
  return utf8proc_get_property(character)->combining_class;
}

struct Range {
  char32_t first;
  char32_t last;
};

template <size_t N>
bool IsIn(const std::array<Range, N>& ranges, char32_t character) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const Range& range) { return character >= range.first && character <= range.last; });
}

/// The property Case_Ignorable: marks, format characters, modifiers, and what stands inside words (Word_Break
/// MidLetter, MidNumLet and Single_Quote).
bool IsCaseIgnorable(char32_t character) {
  constexpr std::array<Range, 16> kInsideWords = {{{0x27, 0x27},
                                                   {0x2E, 0x2E},
                                                   {0x3A, 0x3A},
                                                   {0xB7, 0xB7},
                                                   {0x387, 0x387},
                                                   {0x55F, 0x55F},
                                                   {0x5F4, 0x5F4},
                                                   {0x2018, 0x2019},
                                                   {0x2024, 0x2024},
                                                   {0x2027, 0x2027},
                                                   {0xFE13, 0xFE13},
                                                   {0xFE52, 0xFE52},
                                                   {0xFE55, 0xFE55},
                                                   {0xFF07, 0xFF07},
                                                   {0xFF0E, 0xFF0E},
                                                   {0xFF1A, 0xFF1A}}};
  switch (Category(character)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
      return true;
    default:
      return IsIn(kInsideWords, character);
  }
}

/// The property Cased, of characters that are not Case_Ignorable.
bool IsCased(char32_t character) {
  constexpr std::array<Range, 7> kOthers = {{{0xAA, 0xAA},
                                             {0xBA, 0xBA},
                                             {0x2160, 0x217F},
                                             {0x24B6, 0x24E9},
                                             {0x1F130, 0x1F149},
                                             {0x1F150, 0x1F169},
                                             {0x1F170, 0x1F189}}};
  const utf8proc_category_t category = Category(character);
  return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LT) || IsIn(kOthers, character);
}

/// Whether the first character of `text` that counts for case has one.
bool BeginsCased(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const char32_t character = NextCharacter(text, at);
    if (!IsCaseIgnorable(character)) return IsCased(character);
  }
  return false;
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
    const utf8proc_ssize_t count = utf8proc_decompose_char(
        static_cast<utf8proc_int32_t>(character), parts.data(), parts.size(), UTF8PROC_DECOMPOSE, &boundary);
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

// Source: CPython 3.11, Objects/unicodeobject.c, handle_capital_sigma; Unicode 15.0, table 3-17.
std::string LowerInContext(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool cased_before = false;
  for (size_t at = 0; at < text.size();) {
    const char32_t character = NextCharacter(text, at);
    if (character == kCapitalSigma && cased_before && !BeginsCased(text.substr(at))) {
      out += kFinalSigma;
    } else {
      AppendLower(character, out);
    }
    if (!IsCaseIgnorable(character)) cased_before = IsCased(character);
  }
  return out;
}

}  // namespace photovec::tokenize
