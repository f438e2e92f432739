// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "tokenize/added_tokens.h"
#include "tokenize/bpe.h"

namespace photovec::tokenize {

/// A BPE vocabulary as it was published.
struct BpeFiles {
  std::unordered_map<std::string, int32_t> vocabulary;
  std::vector<Merge> merges;      ///< the strongest first
  std::vector<AddedToken> added;  ///< empty when the files name none
  std::string end_of_word;        ///< "</w>" of CLIP; empty of Gemma
  std::string unknown;            ///< the token of what the vocabulary lacks; empty: there is none
  bool byte_fallback = false;     ///< what the vocabulary lacks becomes "<0x00>" to "<0xFF>"

  /// -1 when the vocabulary has no such token.
  int32_t Find(const std::string& token) const;
  /// One more than the largest id, added tokens included.
  int64_t Size() const;
};

/// The three readers take the bytes of the files. Errors: kInvalidRequest saying what is wrong in the text, without
/// the file's name.
///
/// tokenizer.json of the `tokenizers` library; merges as "a b" or ["a","b"].
Result<BpeFiles> ParseTokenizerJson(std::string_view text);
/// vocab.json and merges.txt of CLIP.
Result<BpeFiles> ParseVocabAndMerges(std::string_view vocabulary, std::string_view merges);
/// bpe_simple_vocab_16e6.txt, unpacked. Its order of ids: the bytes, the bytes at a word's end, the first
/// 48,894 merges, the tokens of the beginning and the end.
Result<BpeFiles> ParseSimpleVocabulary(std::string_view text);

/// The character that stands for each byte in byte-level BPE, as UTF-8; those that print stand for
/// themselves. \return 256 of them. Source: openai/gpt-2, encoder.py, bytes_to_unicode.
std::vector<std::string> ByteSymbols();
/// The bytes in the order of their ids: those that print, then the others.
std::vector<int> BytesInOrder();

inline constexpr std::string_view kClipStart = "<|startoftext|>";
inline constexpr std::string_view kClipEnd = "<|endoftext|>";
inline constexpr std::string_view kClipEndOfWord = "</w>";

}  // namespace photovec::tokenize
