// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/machine.h"
#include "base/result.h"

namespace photovec::engine {

struct VerifyOptions {
  std::string dir;                  ///< a model's folder
  std::vector<std::string> photos;  ///< files; without any, made-up pictures stand in for them
  std::string device = "auto";      ///< whose precisions are compared; as --device
};

/// What came of one comparison.
struct Finding {
  enum class Outcome {
    kAgrees,
    kDiffers,      ///< something is wrong, or not what it seems
    kNotCompared,  ///< and why
    kNote,         ///< a fact that is neither
  };
  Outcome outcome = Outcome::kNote;
  std::string part;  ///< "weights", "tokenizer", "published numbers", ...
  std::string text;
};

/// Looks at a downloaded model where it matters before its vectors are trusted: its numbers; its tokenizer
/// against published ids; photovec's f32 against plain loops; what others published about the checkpoint,
/// when the picture that they used is among the photos; the device's other precisions against f32 on the
/// photos, as a whole and at some depths. Takes minutes for large models. Blocking.
/// \param tell called with each finding as it is made, on the calling thread.
/// \return false when something differs.
/// Errors: as LoadSpec, LoadVisionModel, LoadTextSetup, ChooseDevice: nothing can be said then; kInvalidRequest when none
/// of the photos can be decoded.
Result<bool> VerifyModel(const Machine& machine, const VerifyOptions& options,
                         const std::function<void(const Finding&)>& tell);

}  // namespace photovec::engine
