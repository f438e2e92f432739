// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <string_view>

#include "model/config_section.h"
#include "model/model_config.h"
#include "model/presets.h"
#include "model/weight_names.h"

/// What is CLIP's alone: how its checkpoints spell tensors, its config, and the sizes that were published.
namespace photovec::model {

/// modeling_clip.py of transformers; SigLIP has the same.
inline constexpr BlockNames kClipBlock = {
    .stem = "encoder.layers.",
    .norm1 = "layer_norm1",
    .q = "self_attn.q_proj",
    .k = "self_attn.k_proj",
    .v = "self_attn.v_proj",
    .out = "self_attn.out_proj",
    .norm2 = "layer_norm2",
    .fc1 = "mlp.fc1",
    .fc2 = "mlp.fc2",
};

/// "pre_layrnorm" is its spelling.
inline constexpr WeightNames kClipNames = {
    .prefix = "vision_model.",
    .patch = "embeddings.patch_embedding",
    .class_token = "embeddings.class_embedding",
    .position = "embeddings.position_embedding.weight",
    .pre_norm = "pre_layrnorm",
    .block = kClipBlock,
    .post_norm = "post_layernorm",
    .projection = "visual_projection.weight",
};

inline constexpr TextNames kClipTextNames = {
    .prefix = "text_model.",
    .token_embedding = "embeddings.token_embedding.weight",
    .position = "embeddings.position_embedding.weight",
    .block = kClipBlock,
    .final_norm = "final_layer_norm",
    .projection = "text_projection.weight",
};

/// CLIPModel, CLIPVisionModel, CLIPVisionModelWithProjection, CLIPTextModelWithProjection.
Result<ModelConfig> ParseClip(const Section& root, std::string_view architecture);

/// `key` as an object of the root. A "`key`_dict" (written by old converters) replaces it as a whole, its
/// gaps filled with defaults: CLIPConfig.__init__ of transformers.
Result<Section> ClipTower(const Section& root, std::string_view key);

/// A table for checkpoints that leave out the prefix, as those of one tower alone may.
template <typename Names>
constexpr Names WithoutPrefix(Names names) {
  names.prefix = "";
  return names;
}

/// The shapes of OpenAI's checkpoints, and `tiny`. Smallest first.
std::span<const Preset> ClipPresets();

}  // namespace photovec::model
