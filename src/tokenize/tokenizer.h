// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/enum_names.h"
#include "base/result.h"

namespace photovec::tokenize {

/// What happens to a text before it is cut into tokens. One checkpoint has several rules in the wild, and
/// vectors of one rule do not fit those of another.
enum class TextCleaning {
  kAuto,  ///< what transformers 5.24 does with the same folder; what open_clip does where there is its config
  kCanonicalize,  ///< lower case, without ASCII punctuation, white space as single spaces (SigLIP's training)
  kLower,         ///< lower case, one character at a time
  kNone,
};
constexpr auto EnumNames(TextCleaning /*of*/) {
  return std::array{EnumName{TextCleaning::kAuto, "auto"},
                    EnumName{TextCleaning::kCanonicalize, "canonicalize"},
                    EnumName{TextCleaning::kLower, "lower"}, EnumName{TextCleaning::kNone, "none"}};
}

/// What "<|endoftext|>" inside a text means.
enum class SpecialTokens {
  kParse,    ///< the token, as transformers has it
  kLiteral,  ///< its letters: for words of strangers, who could otherwise end a text where they like
};
constexpr auto EnumNames(SpecialTokens /*of*/) {
  return std::array{EnumName{SpecialTokens::kParse, "parse"}, EnumName{SpecialTokens::kLiteral, "literal"}};
}

/// A longer text is refused: a model reads a line or two, and what it does not read costs time all the same,
/// at worst (one word without an end) half a microsecond and 250 bytes of memory for each byte. Twice what
/// the 8,191 tokens take that OpenAI's API allows.
inline constexpr size_t kMaxTextBytes = size_t{64} << 10;

struct TokenizerInfo {
  std::string rule;             ///< "clip-bpe/hf", "siglip/canonicalize": belongs into the fingerprint
  int64_t vocabulary_size = 0;  ///< every id is below it; the rows that the model's token embedding must have
  int max_length = 0;           ///< tokens, with those at the ends: 77, 64, 16
  int32_t bos_id = -1;          ///< put before every text; -1: nothing is
  int32_t eos_id = 0;           ///< put behind every text
  int32_t pad_id = 0;
  /// The model was trained on texts filled up to max_length and looks at what fills them: Encode fills. Where
  /// false, nothing behind eos_id changes a vector, and Encode gives none of it.
  bool pads = false;
};

struct Tokens {
  /// At most max_length; exactly max_length where the tokenizer pads.
  std::vector<int32_t> ids;
  /// How many of them are not padding: what usage counts.
  size_t used = 0;
};

/// Turns a text into the ids that a model's text tower takes. Immutable once loaded: any number of threads
/// may encode at a time. Nothing is kept between calls.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  virtual const TokenizerInfo& info() const = 0;

  /// What does not fit into max_length is cut off before eos_id, which always stands at the end. An empty
  /// text, or one of white space, has only the tokens at the ends. NUL is a character like any other. Blocks
  /// for as long as the text is long: 2 us (CLIP) to 8 us (SigLIP) for ten words.
  /// Errors: kInvalidRequest when the text is longer than kMaxTextBytes, or not UTF-8 (says at which byte).
  virtual Result<Tokens> Encode(std::string_view text) const = 0;
};

/// The tokenizer of a model that was downloaded into `folder`, by what lies there:
///
///   spiece.model or tokenizer.model   SentencePiece: SigLIP, SigLIP 2
///   tokenizer.json                    CLIP's BPE, or Gemma's (SigLIP 2)
///   vocab.json and merges.txt         CLIP's BPE
///   bpe_simple_vocab_16e6.txt[.gz]    the same, as OpenAI and open_clip publish it
///
/// Lengths and special tokens come from config.json, open_clip_config.json, tokenizer_config.json and
/// special_tokens_map.json, as far as they are there. Blocking; takes up to a second for a vocabulary of
/// 256,000.
/// Errors: kNotFound naming the file to add; kInvalidRequest naming the file and what is wrong in it or not supported.
Result<std::unique_ptr<const Tokenizer>> LoadTokenizer(const std::string& folder, TextCleaning cleaning,
                                                       SpecialTokens special);

}  // namespace photovec::tokenize
