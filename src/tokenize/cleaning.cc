// SPDX-License-Identifier: MIT
#include "tokenize/cleaning.h"

#include "base/text/utf8.h"
#include "tokenize/unicode.h"

namespace photovec::tokenize {

namespace {

bool IsAsciiPunctuation(char32_t character) {
  return (character >= '!' && character <= '/') || (character >= ':' && character <= '@') ||
         (character >= '[' && character <= '`') || (character >= '{' && character <= '~');
}

/// Without punctuation, and with single spaces for white space.
std::string Strip(std::string_view text, bool underscores_are_spaces) {
  std::string out;
  out.reserve(text.size());
  bool space = false;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t character = NextCharacter(text, at);
    if (IsPythonWhitespace(character) || (character == '_' && underscores_are_spaces)) {
      space = true;
    } else if (!IsAsciiPunctuation(character)) {
      if (space && !out.empty()) out += ' ';
      space = false;
      out += text.substr(begin, at - begin);
    }
  }
  return out;
}

}  // namespace

std::string Cleaning::Name() const {
  return std::string(NameOf(kind)) +
         (kind == TextCleaning::kCanonicalize && underscores_are_spaces ? "-underscore" : "");
}

std::string Cleaning::Apply(std::string_view text) const {
  if (kind == TextCleaning::kCanonicalize) {
    return underscores_are_spaces ? LowerInContext(Strip(text, true)) : Strip(LowerInContext(text), false);
  }
  return kind == TextCleaning::kLower ? Lower(text) : std::string(text);
}

Status CheckText(std::string_view text) {
  if (text.size() > kMaxTextBytes) {
    return {Code::kInvalidRequest, "the text has " + std::to_string(text.size()) + " bytes; at most " +
                                       std::to_string(kMaxTextBytes) +
                                       " are taken, and a model reads far fewer: send its beginning"};
  }
  for (size_t at = 0; at < text.size();) {
    const size_t length = Utf8SequenceLength(text, at);
    if (length == 0) {
      return {Code::kInvalidRequest, "the text is not valid UTF-8 (byte " + std::to_string(at) + ")"};
    }
    at += length;
  }
  return Status::Ok();
}

}  // namespace photovec::tokenize
