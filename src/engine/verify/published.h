// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "model/config.h"
#include "tokenize/tokenizer.h"

/// Numbers about well-known checkpoints that others published, each with its source. photovec's makers had no
/// access to these checkpoints: whoever has one checks them with `photovec verify`.
namespace photovec::engine {

/// A text and its ids, without those at the ends and without padding.
struct TokenVector {
  std::string_view text;
  std::vector<int32_t> ids;
};

/// A vocabulary that many checkpoints share.
struct KnownVocabulary {
  std::string_view name;
  std::string_view source;
  std::string_view rule;  ///< TokenizerInfo's: other rules give other ids
  int64_t size = 0;
  std::span<const TokenVector> vectors;
};

/// The vocabulary that a tokenizer of this rule and size most likely has; nullptr when none is known.
const KnownVocabulary* FindVocabulary(const tokenize::TokenizerInfo& info);

/// What a checkpoint makes of the picture kCatsUrl.
struct PublishedNumbers {
  std::string_view checkpoint;  ///< "openai/clip-vit-base-patch32"
  std::string_view source;
  std::vector<std::string_view> texts;  ///< with them: `numbers` are the logits of picture and texts
  std::vector<float> numbers;           ///< else the first elements of the vector, not normalised
  /// What photovec may be off: the sources' own tolerance (1e-3 of logits, 1e-4 of vectors), and what one
  /// level in 255 of a few pixels does: those tests resize with torchvision, photovec as Pillow.
  float tolerance = 0.02F;
};

/// The picture that transformers tests with: COCO val2017, two cats on a couch, 640 x 480.
inline constexpr std::string_view kCatsUrl = "http://images.cocodataset.org/val2017/000000039769.jpg";
inline constexpr std::string_view kCatsName = "000000039769";  ///< in the name of a file: it is that picture

/// The numbers of the one published checkpoint that has these shapes; nullptr when none has. Other
/// checkpoints may have the same shapes (LAION's B/32 has OpenAI's, and another activation).
const PublishedNumbers* FindPublished(const model::VisionConfig& image, const model::TextConfig* text);

}  // namespace photovec::engine
