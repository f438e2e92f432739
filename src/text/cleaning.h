// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "text/tokenizer.h"

namespace photovec::text {

/// SigLIP's: lower case, without the 32 punctuation characters of ASCII, white space as single spaces and none at the
/// ends. Lower case is taken one character at a time, as transformers' tokenizer does (open_clip writes a Greek word's
/// last sigma in its final form; here it never is).
/// \param underscores_are_spaces open_clip and big_vision: "a_cat" is "a cat"; transformers has "acat".
/// Source: transformers 5.24, siglip/tokenization_siglip.py, canonicalize_text; open_clip 3.3, tokenizer.py.
std::string Canonicalize(std::string_view text, bool underscores_are_spaces);

/// A cleaning that has been decided on: `kind` is not kAuto.
struct Cleaning {
  TextCleaning kind = TextCleaning::kNone;
  bool underscores_are_spaces = false;

  /// For the rule's name: "none", "lower", "canonicalize", "canonicalize-underscore".
  std::string Name() const;
  std::string Apply(std::string_view text) const;
};

/// What every tokenizer refuses. Errors: kInvalidRequest when `text` is longer than kMaxTextBytes or not UTF-8.
Status CheckText(std::string_view text);

}  // namespace photovec::text
