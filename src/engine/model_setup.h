// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/machine_plan.h"
#include "engine/options.h"
#include "model/config.h"
#include "pipeline/pipeline.h"
#include "preprocess/spec.h"

namespace photovec::engine {

/// One --model.
struct ModelChoice {
  std::string name;
  std::string dir;
};

/// "clip=/models/b32" or "/models/b32" (named after its folder). What stands before the first '=' is a name,
/// unless the whole text is an existing folder.
/// Errors: kInvalidRequest for an empty name or folder.
Result<ModelChoice> ParseModelChoice(const std::string& text);
/// All of them. Errors: kInvalidRequest for none at all or the same name twice.
Result<std::vector<ModelChoice>> ParseModelChoices(const std::vector<std::string>& texts);

/// Everything that decides what vector a photo gets, down to what the arithmetic leaves open. Precision is
/// not part of it: f32 and bf16 vectors of one model agree (cosine >= 0.9995) and are meant to be searched
/// together, an index made in bf16 by queries in f32; the fingerprint is weights, preprocessing and scaling
/// mode (docs/architecture.md, "Contracts"). Precision is recorded beside it instead.
struct FingerprintParts {
  std::string weights_sha256;
  model::VisionConfig config;
  preprocess::Spec spec;
  decode::JpegScaling jpeg_scaling = decode::JpegScaling::kFast;
  decode::AlphaMode alpha = decode::AlphaMode::kDrop;
  decode::ColorMode color = decode::ColorMode::kIgnore;
  DecodeDevice decode_device = DecodeDevice::kCpu;
};
/// The first 12 hex digits of a SHA-256 over all parts.
std::string Fingerprint(const FingerprintParts& parts);

/// A model that is ready to serve, and what was learnt while loading it.
struct LoadedModel {
  ModelChoice choice;
  pipeline::ModelSetup setup;
  model::VisionConfig config;
  std::string weights_sha256;
  double load_seconds = 0;
};

/// Loads the folder with its text tower, if it has one (text_setup.h), packs the weights for this machine,
/// unmaps the files again, runs every stream once.
/// \param pin_threads false when several models share the cores.
/// Errors: as LoadVisionModel, LoadTextSetup, LoadSpec and CreateEncoder; kInvalidRequest when the preprocessing makes
/// pictures of another size than the model takes.
Result<LoadedModel> SetUpModel(const ModelChoice& choice, const EngineOptions& options,
                               const MachinePlan& plan, bool pin_threads);

}  // namespace photovec::engine
