// SPDX-License-Identifier: MIT
// A text through CLIP's BPE, with a vocabulary of five words.
#include <memory>
#include <string>
#include <string_view>

#include "base/text/utf8.h"
#include "fuzz/fuzz_target.h"
#include "testing/tiny_tokenizers.h"
#include "tokenize/bpe_tokenizers.h"
#include "tokenize/unicode.h"

namespace photovec::fuzz {
namespace {

using tokenize::Tokenizer;

Result<tokenize::BpeFiles> Files() { return tokenize::ParseSimpleVocabulary(test::kTinyClipVocabulary); }

std::unique_ptr<const Tokenizer> Make(tokenize::TextCleaning cleaning, tokenize::SpecialTokens special,
                                      int max_length) {
  tokenize::FolderSettings settings;
  settings.max_length = max_length;
  return *tokenize::MakeClipBpe(*Files(), settings, cleaning, special);
}

struct Tokenizers {
  std::unique_ptr<const Tokenizer> short_one =
      Make(tokenize::TextCleaning::kAuto, tokenize::SpecialTokens::kParse, 7);
  std::unique_ptr<const Tokenizer> literal =
      Make(tokenize::TextCleaning::kAuto, tokenize::SpecialTokens::kLiteral, 4096);
  std::unique_ptr<const Tokenizer> clean =
      Make(tokenize::TextCleaning::kCanonicalize, tokenize::SpecialTokens::kParse, 77);
  /// What each id is written as: the bytes of its text.
  std::vector<std::string> spelled;

  Tokenizers() {
    const tokenize::BpeFiles files = *Files();
    spelled.resize(static_cast<size_t>(files.Size()));
    const std::vector<std::string> symbols = tokenize::ByteSymbols();
    for (const auto& [token, id] : files.vocabulary) {
      std::string_view rest = token;
      if (rest.ends_with(files.end_of_word)) rest.remove_suffix(files.end_of_word.size());
      for (size_t at = 0; at < rest.size();) {
        const size_t begin = at;
        tokenize::NextCharacter(rest, at);
        for (size_t byte = 0; byte < symbols.size(); ++byte) {
          if (symbols[byte] == rest.substr(begin, at - begin)) {
            spelled[static_cast<size_t>(id)] += static_cast<char>(byte);
          }
        }
      }
    }
  }
};

std::vector<int32_t> Encode(const Tokenizer& tokenizer, std::string_view text) {
  const Result<tokenize::Tokens> tokens = tokenizer.Encode(text);
  const bool fine = text.size() <= tokenize::kMaxTextBytes && IsValidUtf8(text);
  Check(tokens.ok() == fine, "what is UTF-8 and not too long has tokens, and nothing else");
  if (!fine) {
    Check(tokens.status().code() == Code::kInvalidRequest, "a wrong text is the client's");
    return {};
  }
  const tokenize::TokenizerInfo& info = tokenizer.info();
  Check(tokens->used == tokens->ids.size(), "nothing is padded");
  Check(tokens->ids.size() >= 2 && tokens->ids.size() <= static_cast<size_t>(info.max_length), "it fits");
  Check(tokens->ids.front() == info.bos_id && tokens->ids.back() == info.eos_id, "the ends are there");
  for (const int32_t id : tokens->ids)
    Check(id >= 0 && id < info.vocabulary_size, "ids are in the vocabulary");
  Check(tokenizer.Encode(text)->ids == tokens->ids, "the same text gives the same ids");
  return tokens->ids;
}

}  // namespace

void FuzzOne(const uint8_t* data, size_t size) {
  static const Tokenizers tokenizers;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Encode(*tokenizers.short_one, text);
  Encode(*tokenizers.clean, text);
  const std::vector<int32_t> ids = Encode(*tokenizers.literal, text);
  if (ids.empty() || ids.size() == static_cast<size_t>(tokenizers.literal->info().max_length)) return;
  std::string spelled;
  for (size_t i = 1; i + 1 < ids.size(); ++i) spelled += tokenizers.spelled[static_cast<size_t>(ids[i])];
  std::string expected;
  const std::string lower = tokenize::Lower(tokenize::Nfc(text));
  for (size_t at = 0; at < lower.size();) {
    const char32_t character = tokenize::NextCharacter(lower, at);
    if (!tokenize::IsWhitespace(character)) tokenize::AppendUtf8(character, expected);
  }
  Check(spelled == expected, "the tokens of a text spell it");
}

void Repair(std::vector<uint8_t>* /*file*/) {}

std::vector<std::vector<uint8_t>> Seeds() {
  std::vector<std::vector<uint8_t>> seeds;
  for (const std::string_view text :
       {"a photo of a cat, it's 2 dogs", "<|endoftext|> CAT <|ENDOFTEXT|>cat<|startoftext|>",
        "Cafe\u0301 İSTANBUL ΟΔΟΣ", "हिन्दी 日本 한국 👨‍👩‍👧",
        "\t\u3000 x\u00b2 \u0323\u0301\u0345 _-_"}) {
    seeds.emplace_back(text.begin(), text.end());
  }
  return seeds;
}

}  // namespace photovec::fuzz
