// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "tokenize/tokenizer.h"

namespace photovec::tokenize {

/// A cleaning that has been decided on: `kind` is not kAuto.
struct Cleaning {
  TextCleaning kind = TextCleaning::kNone;
  /// kCanonicalize as open_clip and big_vision have it: "a_cat" is "a cat", where transformers has "acat";
  /// and punctuation goes before the case is changed, not after, which Greek may tell by a word's last sigma.
  bool underscores_are_spaces = false;

  /// For the rule's name: "none", "lower", "canonicalize", "canonicalize-underscore".
  std::string Name() const;
  /// Canonical is: lower case (Python's), without the 32 punctuation characters of ASCII, white space as
  /// single spaces and none at the ends. Source: transformers 5.24, siglip/tokenization_siglip.py,
  /// canonicalize_text; open_clip 3.3, tokenizer.py.
  std::string Apply(std::string_view text) const;
};

/// What every tokenizer refuses. Errors: kInvalidRequest when `text` is longer than kMaxTextBytes or not UTF-8.
Status CheckText(std::string_view text);

}  // namespace photovec::tokenize
