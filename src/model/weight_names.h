// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace photovec::model {

/// How one family of checkpoints spells the tensors of a Block. Unless a field says otherwise it is a stem,
/// which ".weight" and ".bias" follow. An empty name: the family has no such tensor.
struct BlockNames {
  std::string_view stem = {};  ///< before the block's number: "encoder.layers."
  std::string_view norm1 = {}, q = {}, k = {}, v = {};
  std::string_view qkv_weight = {},
                   qkv_bias = {};  ///< whole names, in place of q, k, v: [3D, D] and [3D] in that order
  std::string_view out = {};
  std::string_view layer_scale1 = {};  ///< whole name
  std::string_view norm2 = {};
  std::string_view fc1 = {}, fc2 = {};  ///< of a plain MLP
  std::string_view gate = {}, up = {};  ///< of a gated one
  std::string_view gate_up = {};        ///< in place of gate and up: [2F, D] in that order
  std::string_view down = {};
  std::string_view layer_scale2 = {};  ///< whole name
};

/// The same for an AttentionPool.
struct PoolNames {
  std::string_view probe = {};  ///< whole name
  std::string_view qkv_weight = {}, qkv_bias = {};
  std::string_view q = {}, kv = {};  ///< in place of qkv: kv is [2D, D], keys first
  std::string_view out = {}, norm = {}, fc1 = {}, fc2 = {};
};

/// How one family of checkpoints spells the tensors of VisionWeights. Each family has tables in families/;
/// encoders never learn of them.
struct WeightNames {
  std::string_view prefix = {};  ///< before everything but the projection, e.g. "vision_model."
  std::string_view patch = {};   ///< stem of the [D, 3, P, P] and its bias
  std::string_view class_token = {}, registers = {}, position = {};  ///< whole names
  std::string_view pre_norm = {};
  BlockNames block = {};
  std::string_view post_norm = {};
  PoolNames pool = {};
  std::string_view projection = {};    ///< whole name, no prefix
  bool projection_transposed = false;  ///< it is [D, projection_dim]
};

/// How one family spells the tensors of TextWeights.
struct TextNames {
  std::string_view prefix = {};                          ///< before everything but the projection
  std::string_view token_embedding = {}, position = {};  ///< whole names
  BlockNames block = {};
  std::string_view final_norm = {};
  std::string_view projection = {};       ///< whole name, no prefix: [projection_dim, D]
  std::string_view projection_bias = {};  ///< whole name, no prefix
  bool projection_transposed = false;
};

}  // namespace photovec::model
