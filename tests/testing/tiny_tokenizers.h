// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// Vocabularies of a few words, in the formats of the real ones.
namespace photovec::test {

/// A bpe_simple_vocab_16e6.txt with five merges: 512 "c a", 513 "ca t</w>", 514 "d o", 515 "do g</w>", 516 "i
/// t</w>"; then the beginning, 517, and the end, 518. The bytes '!' to '~' have the ids 0 to 93, the same at
/// a word's end 256 to 349.
inline constexpr std::string_view kTinyClipVocabulary =
    "#version: 0.2\nc a\nca t</w>\nd o\ndo g</w>\ni t</w>\n";

struct Piece {
  std::string text;
  float score = 0;
  int type = 1;  ///< 1 normal, 2 unknown, 3 control, 6 byte: sentencepiece_model.proto
};

/// What SigLIP 2 has, small: "<pad>", "<eos>", "<bos>", "<unk>", the bytes as 4 to 259, "▁" and the letters
/// of ASCII in lower case from 260 on, and from kTinyFirstWord on "at", "cat", "▁cat", "▁a", "▁▁".
std::vector<Piece> TinyPieces();
inline constexpr int kTinyFirstWord = 287;

/// The bytes of a SentencePiece model of these pieces, with byte fallback and without normalization: a BPE,
/// or a unigram model that takes extra white space away.
std::string SentencePieceModel(const std::vector<Piece>& pieces, bool unigram);

/// The same vocabulary as a tokenizer.json of Gemma's BPE.
std::string GemmaTokenizerJson(const std::vector<Piece>& pieces);

}  // namespace photovec::test
