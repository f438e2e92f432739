// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "engine/options.h"
#include "model/text_model.h"
#include "tokenize/tokenizer.h"

namespace photovec::engine {

/// What a model folder has for texts: both, or neither and why.
struct TextSetup {
  std::optional<model::TextModel> tower;
  std::unique_ptr<const tokenize::Tokenizer> tokenizer;
  std::string
      no_texts;  ///< why there is neither, for whoever sends a text; empty: the folder has no text tower
};

/// Loads the text tower of a folder and its tokenizer, unless options.no_text. A tower without tokenizer
/// files is left out with a warning: there are downloads that are meant for images alone. Blocking.
/// Errors: as LoadTextModel and LoadTokenizer, naming --no-text; kInvalidRequest when the tokenizer knows more tokens
/// than the tower has rows.
Result<TextSetup> LoadTextSetup(const std::string& dir, const EngineOptions& options);

/// The first 12 hex digits of a SHA-256 over everything that decides what vector a text gets: the tower and
/// the tokenizer's rule. Beside a model's Fingerprint(), which tells of images alone: vectors of images that
/// were made before the text tower was loaded keep it.
/// \param rule tokenize::TokenizerInfo::rule.
std::string TextFingerprint(const model::TextModel& tower, const std::string& rule);

}  // namespace photovec::engine
