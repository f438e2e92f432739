// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>

#include "base/image.h"
#include "base/result.h"
#include "model/text_model.h"
#include "model/vision_model.h"

namespace photovec::bench {

struct BenchModel {
  std::string name;
  model::VisionModel model;
  std::optional<model::TextModel> text;  ///< the same folder's, or preset's
  PixelNormalization normalization;
};

/// Loads a model directory, or makes a preset's model with random f32 weights in memory: good for speed and
/// for comparing encoders with each other, not for anything else. Errors: as LoadVisionModel for what looks
/// like a directory; kInvalidRequest listing the presets otherwise.
Result<BenchModel> LoadBenchModel(const std::string& dir_or_preset);

/// The same weights with fewer blocks; shares the storage of `model`.
model::VisionModel Shortened(const model::VisionModel& model, int layers);
model::TextModel Shortened(const model::TextModel& model, int layers);

}  // namespace photovec::bench
