// SPDX-License-Identifier: MIT
// A text through SentencePiece as SigLIP and SigLIP 2 have it, and through our own BPE of the latter's
// vocabulary.
#include <memory>
#include <string>
#include <string_view>

#include "base/text/utf8.h"
#include "fuzz/fuzz_target.h"
#include "testing/tiny_tokenizers.h"
#include "tokenize/bpe_tokenizers.h"
#include "tokenize/sentence_piece.h"

namespace photovec::fuzz {
namespace {

using tokenize::SpecialTokens;
using tokenize::TextCleaning;
using tokenize::Tokenizer;
using Kind = tokenize::SentencePieceKind;

std::unique_ptr<const Tokenizer> Make(Kind kind, TextCleaning cleaning, SpecialTokens special) {
  const std::string model = test::SentencePieceModel(test::TinyPieces(), kind == Kind::kSiglip);
  return *tokenize::MakeSentencePiece(model, kind, {}, cleaning, special);
}

std::unique_ptr<const Tokenizer> MakeOurs(SpecialTokens special) {
  tokenize::BpeFiles files = *tokenize::ParseTokenizerJson(test::GemmaTokenizerJson(test::TinyPieces()));
  return *tokenize::MakeGemmaBpe(std::move(files), {}, TextCleaning::kLower, special);
}

struct Tokenizers {
  std::unique_ptr<const Tokenizer> siglip = Make(Kind::kSiglip, TextCleaning::kAuto, SpecialTokens::kParse);
  std::unique_ptr<const Tokenizer> theirs = Make(Kind::kSiglip2, TextCleaning::kLower, SpecialTokens::kParse);
  std::unique_ptr<const Tokenizer> ours = MakeOurs(SpecialTokens::kParse);
  std::unique_ptr<const Tokenizer> literal =
      Make(Kind::kSiglip2, TextCleaning::kLower, SpecialTokens::kLiteral);
  std::unique_ptr<const Tokenizer> our_literal = MakeOurs(SpecialTokens::kLiteral);
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
  Check(tokens->ids.size() == static_cast<size_t>(info.max_length), "it is filled up");
  Check(tokens->used >= 1 && tokens->used <= tokens->ids.size(), "it fits");
  Check(tokens->ids[tokens->used - 1] == info.eos_id, "the end is there");
  for (size_t i = 0; i < tokens->ids.size(); ++i) {
    Check(tokens->ids[i] >= 0 && tokens->ids[i] < info.vocabulary_size, "ids are in the vocabulary");
    Check(i < tokens->used || tokens->ids[i] == info.pad_id, "behind the end is padding");
  }
  Check(tokenizer.Encode(text)->ids == tokens->ids, "the same text gives the same ids");
  return tokens->ids;
}

}  // namespace

void FuzzOne(const uint8_t* data, size_t size) {
  static const Tokenizers tokenizers;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Encode(*tokenizers.siglip, text);
  Check(Encode(*tokenizers.theirs, text) == Encode(*tokenizers.ours, text), "two ways, one answer");
  Check(Encode(*tokenizers.literal, text) == Encode(*tokenizers.our_literal, text),
        "two ways, one literal answer");
}

void Repair(std::vector<uint8_t>* /*file*/) {}

std::vector<std::vector<uint8_t>> Seeds() {
  std::vector<std::vector<uint8_t>> seeds;
  for (const std::string_view text : {"a photo of a cat  at a cat", "<eos> CAT <unk>cat<bos><pad>",
                                      "▁cat▁▁ a", "Café İ 日本 👨‍👩‍👧", "<0x41> <\n\n\t>"}) {
    seeds.emplace_back(text.begin(), text.end());
  }
  return seeds;
}

}  // namespace photovec::fuzz
