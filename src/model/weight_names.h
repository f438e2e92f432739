// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

namespace photovec::model {

/// How one family of checkpoints spells the tensors of VisionWeights. An empty name: the family has no such
/// tensor. Another family (SigLIP, DINOv2) is another table here plus the fields of VisionConfig that it
/// sets; encoders never learn of it.
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

/// HuggingFace's CLIP (modeling_clip.py of transformers; "pre_layrnorm" is its spelling).
inline constexpr WeightNames kClipNames = {
    .prefix = "vision_model.",
    .patch = "embeddings.patch_embedding.weight",
    .patch_bias = "",
    .class_token = "embeddings.class_embedding",
    .position = "embeddings.position_embedding.weight",
    .pre_norm = "pre_layrnorm",
    .block = "encoder.layers.",
    .norm1 = "layer_norm1",
    .q = "self_attn.q_proj",
    .k = "self_attn.k_proj",
    .v = "self_attn.v_proj",
    .out = "self_attn.out_proj",
    .layer_scale1 = "",
    .norm2 = "layer_norm2",
    .fc1 = "mlp.fc1",
    .fc2 = "mlp.fc2",
    .layer_scale2 = "",
    .post_norm = "post_layernorm",
    .projection = "visual_projection.weight",
};

}  // namespace photovec::model
