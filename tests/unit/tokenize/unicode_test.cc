// SPDX-License-Identifier: MIT
#include "tokenize/unicode.h"

#include <gtest/gtest.h>

#include "tokenize/cleaning.h"

namespace photovec::tokenize {
namespace {

TEST(Unicode, CharactersGoThereAndBack) {
  for (const char32_t character :
       {U'\0', U'a', U'\x7F', U'\x80', U'\u07FF', U'\u0800', U'\uFFFF', U'\U00010000', U'\U0010FFFF'}) {
    std::string text;
    AppendUtf8(character, text);
    size_t at = 0;
    EXPECT_EQ(NextCharacter(text, at), character);
    EXPECT_EQ(at, text.size());
  }
}

TEST(Unicode, KnowsLettersNumbersAndWhitespace) {
  for (const char32_t letter : {U'a', U'é', U'ª', U'ǅ', U'日', U'한', U'ʰ', U'\U00020000'})
    EXPECT_TRUE(IsLetter(letter));
  for (const char32_t number : {U'0', U'²', U'½', U'Ⅷ', U'१', U'①'}) EXPECT_TRUE(IsNumber(number));
  for (const char32_t other : {U'_', U'\u0301', U'\u093F', U'😀', U'\u200B', U'\0'}) {
    EXPECT_FALSE(IsLetter(other) || IsNumber(other) || IsWhitespace(other)) << static_cast<uint32_t>(other);
  }
  for (const char32_t space : {U' ', U'\t', U'\r', U'\x85', U'\u00A0', U'\u3000', U'\u2028', U'\u2029'})
    EXPECT_TRUE(IsWhitespace(space));
  EXPECT_FALSE(IsWhitespace(U'\x1C'));
  EXPECT_TRUE(IsPythonWhitespace(U'\x1C'));
}

TEST(Unicode, ComposesAndSortsMarks) {
  EXPECT_EQ(Nfc("Cafe\u0301"), "Caf\u00E9");
  EXPECT_EQ(Nfc("a\u0301\u0323"), "\u1EA1\u0301");         // the mark below comes first
  EXPECT_EQ(Nfc("\u1112\u1161\u11AB"), "\uD55C");          // Hangul
  EXPECT_EQ(Nfc("\u212B \u0958"), "\u00C5 \u0915\u093C");  // a singleton; one that is never composed
  EXPECT_EQ(Nfc("\u00E9 \uFB01"), "\u00E9 \uFB01");        // nothing to do; no compatibility forms
  EXPECT_EQ(Nfc(std::string_view("a\0b\u0300", 5)), std::string_view("a\0b\u0300", 5));
}

TEST(Unicode, LowersEachCharacterByItself) {
  EXPECT_EQ(Lower("ABC \u00C9 \u0130 \u1E9E"), "abc \u00E9 i\u0307 \u00DF");
  EXPECT_EQ(Lower("ΟΔΟΣ"), "οδοσ");
}

TEST(Unicode, LowersASigmaAtAWordsEndAsPythonDoes) {
  EXPECT_EQ(LowerInContext("ΟΔΟΣ ΣΟΦΟΣ."), "οδος σοφος.");
  EXPECT_EQ(LowerInContext("Σ 1Σ"), "σ 1σ");
  EXPECT_EQ(LowerInContext("ΑΣ.Α ΑΣ-Α ΑΣ\u0301"), "ασ.α ας-α ας\u0301");
}

TEST(Cleaning, CanonicalizesAsTransformersAndAsOpenClip) {
  const Cleaning plain{TextCleaning::kCanonicalize};
  const Cleaning open_clip{TextCleaning::kCanonicalize, true};
  EXPECT_EQ(plain.Name(), "canonicalize");
  EXPECT_EQ(open_clip.Name(), "canonicalize-underscore");
  EXPECT_EQ(plain.Apply("  A_Cat,\t\"on\" . the  MAT! "), "acat on the mat");
  EXPECT_EQ(open_clip.Apply("  A_Cat,\t\"on\" . the  MAT! "), "a cat on the mat");
  EXPECT_EQ(plain.Apply(" ~.! \x1C"), "");
  EXPECT_EQ(plain.Apply("“quotes” – stay…"), "“quotes” – stay…");
  EXPECT_EQ(plain.Apply("ΑΣ-Α"),
            "ας"
            "α");  // the case changes while the dash is there
  EXPECT_EQ(open_clip.Apply("ΑΣ-Α"), "ασα");
}

TEST(CheckText, RefusesLongTextsAndOtherEncodings) {
  EXPECT_TRUE(CheckText(std::string(kMaxTextBytes, 'x')).ok());
  EXPECT_EQ(CheckText(std::string(kMaxTextBytes + 1, 'x')).code(), Code::kInvalidRequest);
  EXPECT_EQ(CheckText("ab\xE9").message(), "the text is not valid UTF-8 (byte 2)");
}

}  // namespace
}  // namespace photovec::tokenize
