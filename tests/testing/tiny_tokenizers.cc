// SPDX-License-Identifier: MIT
#include "testing/tiny_tokenizers.h"

#include <algorithm>
#include <array>
#include <bit>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <map>
#include <tuple>

namespace photovec::test {

namespace {

constexpr int kUnigram = 1;
constexpr int kBpe = 2;

void AppendVarint(uint64_t value, std::string& out) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

void AppendInt(uint64_t field, uint64_t value, std::string& out) {
  AppendVarint(field << 3, out);
  AppendVarint(value, out);
}

void AppendBytes(uint64_t field, std::string_view bytes, std::string& out) {
  AppendVarint(field << 3 | 2, out);
  AppendVarint(bytes.size(), out);
  out += bytes;
}

void AppendFloat(uint64_t field, float value, std::string& out) {
  AppendVarint(field << 3 | 5, out);
  const auto bits = std::bit_cast<uint32_t>(value);
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(bits >> shift);
}

}  // namespace

std::vector<Piece> TinyPieces() {
  std::vector<Piece> pieces = {{"<pad>", 0, 3}, {"<eos>", 0, 3}, {"<bos>", 0, 3}, {"<unk>", 0, 2}};
  for (int byte = 0; byte < 256; ++byte) {
    std::array<char, 8> text{};
    std::snprintf(text.data(), text.size(), "<0x%02X>", static_cast<unsigned>(byte));
    pieces.push_back({text.data(), 0, 6});
  }
  const auto add = [&](std::string text) {
    pieces.push_back({std::move(text), -static_cast<float>(pieces.size())});
  };
  add("▁");
  for (char letter = 'a'; letter <= 'z'; ++letter) add(std::string(1, letter));
  for (const char* word : {"at", "cat", "▁cat", "▁a", "▁▁"}) add(word);
  return pieces;
}

std::string SentencePieceModel(const std::vector<Piece>& pieces, bool unigram) {
  std::string model;
  for (const Piece& piece : pieces) {
    std::string message;
    AppendBytes(1, piece.text, message);
    AppendFloat(2, piece.score, message);
    AppendInt(3, static_cast<uint64_t>(piece.type), message);
    AppendBytes(1, message, model);
  }
  std::string trainer;
  AppendInt(3, unigram ? kUnigram : kBpe, trainer);
  AppendInt(35, 1, trainer);  // byte_fallback
  constexpr std::array<std::pair<uint64_t, uint64_t>, 4> kIds = {{{40, 3}, {41, 2}, {42, 1}, {43, 0}}};
  for (const auto& [field, id] : kIds) AppendInt(field, id, trainer);
  for (const auto& [field, id] : kIds)
    AppendBytes(field + 5, pieces[id].text, trainer);  // unk_piece, bos_piece, ...
  AppendBytes(2, trainer, model);
  std::string normalizer;
  AppendInt(3, 0, normalizer);                // add_dummy_prefix
  AppendInt(4, unigram ? 1 : 0, normalizer);  // remove_extra_whitespaces
  AppendBytes(3, normalizer, model);
  return model;
}

std::string GemmaTokenizerJson(const std::vector<Piece>& pieces) {
  std::map<std::string, float> scores;
  boost::json::object vocabulary;
  for (const Piece& piece : pieces) {
    vocabulary[piece.text] = vocabulary.size();
    if (piece.type == 1) scores[piece.text] = piece.score;
  }
  std::vector<std::tuple<float, std::string, std::string>> merges;
  for (const auto& [text, score] : scores) {
    for (size_t at = 1; at < text.size(); ++at) {
      if (scores.contains(text.substr(0, at)) && scores.contains(text.substr(at))) {
        merges.emplace_back(-score, text.substr(0, at), text.substr(at));
      }
    }
  }
  std::sort(merges.begin(), merges.end());
  boost::json::array pairs;
  for (const auto& [score, left, right] : merges) pairs.push_back(boost::json::array{left, right});
  return boost::json::serialize(boost::json::object{{"model",
                                                     {{"type", "BPE"},
                                                      {"unk_token", "<unk>"},
                                                      {"fuse_unk", true},
                                                      {"byte_fallback", true},
                                                      {"vocab", vocabulary},
                                                      {"merges", pairs}}}});
}

}  // namespace photovec::test
