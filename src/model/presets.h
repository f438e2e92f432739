// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <string_view>

#include "base/result.h"
#include "model/config.h"

namespace photovec::model {

/// An architecture that `photovec init-model` can write.
struct Preset {
  std::string_view name;     ///< "clip-vit-b-32"
  std::string_view summary;  ///< one line for --help
  VisionConfig config;
};

/// All presets, smallest first. The CLIP ones have the shapes of OpenAI's checkpoints; `tiny` is for tests,
/// and for measuring everything but the encoder.
std::span<const Preset> Presets();

/// Errors: kInvalidRequest listing the names there are.
Result<VisionConfig> FindPreset(std::string_view name);

}  // namespace photovec::model
