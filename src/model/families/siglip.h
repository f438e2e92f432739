// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <string_view>

#include "model/config_section.h"
#include "model/families/clip.h"
#include "model/model_config.h"
#include "model/presets.h"
#include "model/weight_names.h"

/// What is SigLIP's alone, and that of SigLIP 2 with a fixed picture size, which has the same model.
namespace photovec::model {

/// modeling_siglip.py of transformers.
inline constexpr WeightNames kSiglipNames = {
    .prefix = "vision_model.",
    .patch = "embeddings.patch_embedding",
    .position = "embeddings.position_embedding.weight",
    .block = kClipBlock,
    .post_norm = "post_layernorm",
    .pool = {.probe = "head.probe",
             .qkv_weight = "head.attention.in_proj_weight",
             .qkv_bias = "head.attention.in_proj_bias",
             .out = "head.attention.out_proj",
             .norm = "head.layernorm",
             .fc1 = "head.mlp.fc1",
             .fc2 = "head.mlp.fc2"},
};

inline constexpr TextNames kSiglipTextNames = {
    .prefix = "text_model.",
    .token_embedding = "embeddings.token_embedding.weight",
    .position = "embeddings.position_embedding.weight",
    .block = kClipBlock,
    .final_norm = "final_layer_norm",
    .projection = "text_model.head.weight",
    .projection_bias = "text_model.head.bias",
};

/// SiglipModel, SiglipVisionModel.
Result<ModelConfig> ParseSiglip(const Section& root, std::string_view architecture);

/// The fields in which SigLIP's towers differ from CLIP's.
void SetSiglip(VisionConfig& config);
void SetSiglip(TextConfig& config);

/// Published shapes, and a tiny one. Smallest first.
std::span<const Preset> SiglipPresets();

}  // namespace photovec::model
