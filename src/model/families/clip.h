// SPDX-License-Identifier: MIT
#pragma once

#include <span>

#include "model/presets.h"
#include "model/weight_names.h"

/// What is CLIP's alone: how its checkpoints spell tensors, and the sizes that were published.
namespace photovec::model {

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

/// The shapes of OpenAI's checkpoints, and `tiny`. Smallest first.
std::span<const Preset> ClipPresets();

}  // namespace photovec::model
