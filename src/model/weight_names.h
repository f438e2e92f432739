// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace photovec::model {

/// How one family of checkpoints spells the tensors of VisionWeights. An empty name: the family has no such
/// tensor. Each family has a table in families/; encoders never learn of it.
struct WeightNames {
  std::string_view prefix;  ///< before everything but the projection, e.g. "vision_model."
  std::string_view patch;   ///< [D, 3, P, P]; ".bias" and ".weight" are spelled out
  std::string_view patch_bias;
  std::string_view class_token;
  std::string_view position;
  std::string_view pre_norm;  ///< stem: ".weight" and ".bias" follow
  std::string_view block;     ///< stem before the block's number: "encoder.layers."
  std::string_view norm1, q, k, v, out;
  std::string_view layer_scale1;
  std::string_view norm2, fc1, fc2;
  std::string_view layer_scale2;
  std::string_view post_norm;
  std::string_view projection;  ///< whole name, no prefix
};

}  // namespace photovec::model
