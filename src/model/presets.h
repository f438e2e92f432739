// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/config.h"

namespace photovec::model {

/// An architecture that `photovec init-model` can write.
struct Preset {
  std::string_view name;     ///< "clip-vit-b-32"
  std::string_view summary;  ///< one line for --help
  VisionConfig config;       ///< at the size that photos are computed in
  std::optional<TextConfig> text = {};
  int trained_size = 0;  ///< pixels that the positions in the file are for, where these are others; else 0
};

/// Rows of the token embeddings of presets: one for each byte (twice in CLIP: within and at the end of a
/// word) and the special tokens, as the tokenizers have them that are written beside random weights.
inline constexpr int kRandomClipVocabulary = 514;
inline constexpr int kRandomSiglipVocabulary = 261;

/// All presets: tiny ones for tests, and for measuring everything but the encoder; then the shapes of
/// published checkpoints, by family.
const std::vector<Preset>& Presets();

/// Errors: kInvalidRequest listing the names there are.
Result<Preset> PresetNamed(std::string_view name);
/// Its image tower.
Result<VisionConfig> FindPreset(std::string_view name);

}  // namespace photovec::model
