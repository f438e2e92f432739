// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/tensor_view.h"
#include "model/config.h"
#include "model/presets.h"

namespace photovec::model {

struct RandomInitOptions {
  uint64_t seed = 7;
  DType dtype = DType::kF32;  ///< of the file; the values are drawn in f32 and rounded
  int threads = 0;            ///< 0: one per CPU. Never changes the result.
};

/// Names of all files that WriteRandomModel may make.
inline constexpr const char* kModelFiles[] = {
    "config.json", "preprocessor_config.json", "model.safetensors",    "vocab.json",
    "merges.txt",  "tokenizer.json",           "tokenizer_config.json"};

/// Writes a complete HuggingFace directory (config.json, preprocessor_config.json, model.safetensors; with a
/// text tower a tokenizer of single bytes, too) with random weights that behave as trained ones do where
/// speed, precision and search are concerned, though they mean nothing: Student-t tails, outlier channels in
/// the residual stream, spread layernorm gains, sparse MLPs, and vectors that tell photos apart
/// (docs/models.md has the measured figures). The same seed gives the same bytes on every machine. Existing
/// files are replaced; `model_dir` must exist.
/// Errors: kUnavailable naming the file and errno's text; kNotImplemented for gated MLPs.
Status WriteRandomModel(const Preset& preset, const std::string& model_dir, const RandomInitOptions& options);
/// The same for an image tower alone, by its architecture: CLIPVisionModelWithProjection, SiglipVisionModel,
/// ...
Status WriteRandomModel(const VisionConfig& config, const std::string& model_dir,
                        const RandomInitOptions& options);

/// The preset without its text tower.
Preset ImagesOnly(Preset preset);

}  // namespace photovec::model
