// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"
#include "base/tensor_view.h"

namespace photovec::commands {

struct InitModelOptions {
  std::string preset;     ///< a name of model::Presets()
  std::string directory;  ///< made when missing
  uint64_t seed = 7;
  DType dtype = DType::kF32;
  bool images_only = false;  ///< without the text tower
  bool force = false;        ///< replace the files of a model that is already there
};

/// Writes a HuggingFace directory with random weights (model/random/init.h).
/// Errors: kInvalidRequest for an unknown preset, or when a file is there already and `force` is not set;
/// kUnavailable naming what cannot be written.
Status RunInitModel(const InitModelOptions& options);

}  // namespace photovec::commands
