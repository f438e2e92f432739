// SPDX-License-Identifier: MIT
#include <array>
#include <utility>

#include "tokenize/assemble.h"
#include "tokenize/bpe_tokenizers.h"
#include "tokenize/cleaning.h"
#include "tokenize/unicode.h"

namespace photovec::tokenize {

namespace {

constexpr int kClipLength = 77;

enum class Kind { kSpace, kLetter, kNumber, kOther };

Kind KindOf(char32_t character) {
  if (character < 0x80) {
    if ((character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z'))
      return Kind::kLetter;
    if (character >= '0' && character <= '9') return Kind::kNumber;
    return IsWhitespace(character) ? Kind::kSpace : Kind::kOther;
  }
  if (IsLetter(character)) return Kind::kLetter;
  if (IsNumber(character)) return Kind::kNumber;
  return IsWhitespace(character) ? Kind::kSpace : Kind::kOther;
}

/// Form C, then each run of white space as one space and every character in lower case.
std::string Normalize(std::string_view text) {
  const std::string composed = Nfc(text);
  std::string out;
  out.reserve(composed.size());
  bool space = false;
  for (size_t at = 0; at < composed.size();) {
    const char32_t character = NextCharacter(composed, at);
    const bool is_space = IsWhitespace(character);
    if (is_space && !space) out += ' ';
    if (!is_space) AppendLower(character, out);
    space = is_space;
  }
  return out;
}

/// Bytes of the word that `text` begins with and that the regular expression spells out; 0 for none.
size_t FixedLength(std::string_view text) {
  if (!text.starts_with('\'') && !text.starts_with('<')) return 0;
  for (const std::string_view word :
       {std::string_view("'s"), std::string_view("'t"), std::string_view("'re"), std::string_view("'ve"),
        std::string_view("'m"), std::string_view("'ll"), std::string_view("'d"), kClipStart, kClipEnd}) {
    if (text.starts_with(word)) return word.size();
  }
  return 0;
}

/// The next word, and moves `at` behind it; empty at the end of the text. The regular expression
/// <\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+
std::string_view NextWord(std::string_view text, size_t& at) {
  size_t begin = at;
  size_t end = at;
  Kind kind = Kind::kSpace;
  while (begin < text.size() && kind == Kind::kSpace) {
    begin = end;
    if (begin == text.size()) break;
    kind = KindOf(NextCharacter(text, end));
  }
  if (const size_t fixed = FixedLength(text.substr(begin)); fixed > 0) {
    end = begin + fixed;
  } else if (kind != Kind::kNumber) {
    for (size_t next = end; next < text.size(); end = next) {
      if (KindOf(NextCharacter(text, next)) != kind) break;
    }
  }
  at = end;
  return text.substr(begin, end - begin);
}

class ClipBpe final : public Tokenizer {
 public:
  ClipBpe(const BpeFiles& files, TokenizerInfo info, Cleaning cleaning, const std::vector<AddedToken>& added)
      : info_(std::move(info)),
        cleaning_(cleaning),
        merges_(files.merges),
        raw_(Those(added, false)),
        normal_(Those(added, true)) {
    const std::vector<std::string> symbols = ByteSymbols();
    const int32_t unknown = files.Find(files.unknown);
    const auto id = [&](const std::string& token) {
      const int32_t found = files.Find(token);
      return found < 0 ? unknown : found;
    };
    for (size_t byte = 0; byte < symbols.size(); ++byte) {
      inside_[byte] = id(symbols[byte]);
      at_end_[byte] = id(symbols[byte] + files.end_of_word);
    }
  }

  const TokenizerInfo& info() const override { return info_; }

  Result<Tokens> Encode(std::string_view text) const override {
    RETURN_IF_ERROR(CheckText(text));
    if (cleaning_.kind != TextCleaning::kCanonicalize) return EncodeChecked(text);
    return EncodeChecked(cleaning_.Apply(text));
  }

 private:
  static std::vector<AddedToken> Those(const std::vector<AddedToken>& added, bool normalized) {
    std::vector<AddedToken> tokens;
    for (AddedToken token : added) {
      if (token.normalized != normalized) continue;
      if (normalized) token.content = Normalize(token.content);
      tokens.push_back(std::move(token));
    }
    return tokens;
  }

  Tokens EncodeChecked(std::string_view text) const {
    std::vector<int32_t> ids;
    for (const TextPart& part : raw_.Split(text)) {
      if (ids.size() >= RoomForText(info_)) break;
      if (part.id >= 0) {
        ids.push_back(part.id);
        continue;
      }
      const std::string normal = Normalize(part.text);
      for (const TextPart& inner : normal_.Split(normal)) {
        if (inner.id >= 0) {
          ids.push_back(inner.id);
        } else {
          AppendWords(inner.text, ids);
        }
      }
    }
    return Assemble(std::move(ids), info_);
  }

  /// Stops where no more fits.
  void AppendWords(std::string_view text, std::vector<int32_t>& ids) const {
    for (size_t at = 0; ids.size() < RoomForText(info_);) {
      const std::string_view word = NextWord(text, at);
      if (word.empty()) return;
      if (word != kClipStart && word != kClipEnd) {
        AppendWord(word, ids);
        continue;
      }
      // Such letters that are no token (any more): the second regular expression, ByteLevel's own, splits
      // them again.
      AppendWord(word.substr(0, 2), ids);
      AppendWord(word.substr(2, word.size() - 4), ids);
      AppendWord(word.substr(word.size() - 2), ids);
    }
  }

  void AppendWord(std::string_view word, std::vector<int32_t>& ids) const {
    std::vector<int32_t> tokens;
    tokens.reserve(word.size());
    for (const char byte : word) tokens.push_back(inside_[static_cast<unsigned char>(byte)]);
    tokens.back() = at_end_[static_cast<unsigned char>(word.back())];
    merges_.Apply(tokens);
    ids.insert(ids.end(), tokens.begin(), tokens.end());
  }

  const TokenizerInfo info_;
  const Cleaning cleaning_;
  const BpeMerges merges_;
  const AddedTokenSplitter raw_;
  const AddedTokenSplitter normal_;
  std::array<int32_t, 256> inside_{};
  std::array<int32_t, 256> at_end_{};
};

}  // namespace

Result<std::unique_ptr<const Tokenizer>> MakeClipBpe(BpeFiles files, const FolderSettings& given,
                                                     TextCleaning asked, SpecialTokens special) {
  if (files.end_of_word != kClipEndOfWord) {
    return Status(Code::kInvalidRequest,
                  "not CLIP's BPE: end_of_word_suffix is \"" + files.end_of_word + "\", not \"</w>\"");
  }
  FolderSettings settings = given;
  const auto set_default = [](std::string& token, std::string_view content) {
    if (token.empty()) token = content;
  };
  set_default(settings.bos, kClipStart);
  set_default(settings.eos, kClipEnd);
  set_default(settings.pad, settings.eos);
  if (files.unknown.empty()) files.unknown = settings.eos;
  for (const std::string* token : {&settings.bos, &settings.eos, &settings.pad, &files.unknown}) {
    if (files.Find(*token) < 0)
      return Status(Code::kInvalidRequest, "the vocabulary has no \"" + *token + "\"");
  }
  TokenizerInfo info;
  info.rule = "clip-bpe/hf";
  if (special == SpecialTokens::kLiteral) info.rule += "+literal";
  const Cleaning cleaning{asked, settings.open_clip};
  if (asked == TextCleaning::kCanonicalize) info.rule += "+" + cleaning.Name();
  info.vocabulary_size = files.Size();
  info.max_length = settings.max_length.value_or(kClipLength);
  info.bos_id = files.Find(settings.bos);
  info.eos_id = files.Find(settings.eos);
  info.pad_id = files.Find(settings.pad);
  const auto find = [&](const std::string& token) { return files.Find(token); };
  const std::vector<AddedToken> added = AddedTokensOf(files.added, settings, find, special);
  return std::unique_ptr<const Tokenizer>(std::make_unique<ClipBpe>(files, std::move(info), cleaning, added));
}

}  // namespace photovec::tokenize
