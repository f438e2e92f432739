// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace photovec::tokenize {

/// A token that stands in a text by its own letters and never becomes anything else, such as "<|endoftext|>".
struct AddedToken {
  std::string content;
  int32_t id = 0;
  bool special = false;     ///< left alone where special tokens are literal
  bool normalized = false;  ///< looked for in the normalized text instead of the raw one
  bool lstrip = false;      ///< takes the white space before it along
  bool rstrip = false;      ///< and behind it
};

/// A part of a text: a token, or what stands between two of them.
struct TextPart {
  std::string_view text;
  int32_t id = -1;  ///< -1: `text` is text
};

/// Finds added tokens in texts: at each place the longest, from left to right. Immutable; linear time, as no
/// token is long. Source: tokenizers 0.23, added_vocabulary.rs, find_matches.
class AddedTokenSplitter {
 public:
  explicit AddedTokenSplitter(std::vector<AddedToken> tokens);
  bool empty() const { return tokens_.empty(); }
  /// The parts in order, borrowed from `text`; none is empty text.
  std::vector<TextPart> Split(std::string_view text) const;

 private:
  const AddedToken* FindAt(std::string_view text, size_t at) const;

  std::vector<AddedToken> tokens_;   ///< by first byte, the longest first
  std::array<size_t, 257> first_{};  ///< tokens that begin with byte b are first_[b] up to first_[b + 1]
};

}  // namespace photovec::tokenize
