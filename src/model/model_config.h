// SPDX-License-Identifier: MIT
#pragma once

#include <boost/json/fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/config.h"
#include "model/weight_names.h"

namespace photovec::model {

/// How a checkpoint's grid of positions is fitted to pictures of another size.
enum class GridResampling {
  kNone,               ///< it is not: pictures have the checkpoint's size
  kBicubic,            ///< DINOv2
  kBicubicAntialias,   ///< DINOv2 with registers
  kBilinearAntialias,  ///< TIPSv2
};

/// Everything that the configuration of a model folder says, before a tensor is looked at. A plain value.
struct ModelConfig {
  std::string file;  ///< "config.json", "open_clip_config.json": what errors name
  std::optional<VisionConfig> vision;
  GridResampling resampling = GridResampling::kNone;
  bool has_query_bias = true;  ///< of the image tower's file; where false, zeros are loaded
  bool has_value_bias = true;
  std::optional<TextConfig> text;  ///< nothing: none, or one of a kind that is not supported
  /// Spellings that published files have; the one that the checkpoint follows is used, errors name the first.
  std::vector<WeightNames> vision_names;
  std::vector<TextNames> text_names;
  std::string_view logit_scale;  ///< whole names; empty: there is none
  std::string_view logit_bias;
  /// Whether the first numbers of a vector are a vector of their own (Matryoshka): as many as one wants, or
  /// so many.
  bool any_shorter = false;
  std::vector<int> shorter;
  bool open_clip_weights = false;  ///< in open_clip_model.safetensors

  /// Whether the image tower takes pictures of another size than its config says.
  bool takes_any_size() const {
    return resampling != GridResampling::kNone || (vision && vision->positions == Positions::kRotary);
  }
};

/// Parses the text of a HuggingFace config.json, filling what it omits with transformers' defaults.
/// Errors: kInvalidRequest naming the key, what it holds and what is supported.
Result<ModelConfig> ParseModelConfig(std::string_view json_text);
/// The same for open_clip_config.json.
Result<ModelConfig> ParseOpenClipConfig(std::string_view json_text);

/// Reads the config of a folder: config.json, or open_clip_config.json where that is the only one that says
/// what the model is (folders of `timm` have a config.json without "model_type"), or the only one that has
/// weights beside it.
/// Errors: kNotFound naming the missing file; as the parsers, with the file's path.
Result<ModelConfig> LoadModelConfig(const std::string& model_dir);

}  // namespace photovec::model
