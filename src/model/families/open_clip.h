// SPDX-License-Identifier: MIT
#pragma once

#include "model/config_section.h"
#include "model/model_config.h"
#include "model/weight_names.h"

/// What is alone open_clip's: open_clip_config.json and the names of open_clip_model.safetensors, with towers
/// of its own (LAION, DFN, DataComp, ...) and with SigLIP's image tower of timm.
namespace photovec::model {

/// transformer.py of open_clip, ResidualAttentionBlock.
inline constexpr BlockNames kOpenClipBlock = {
    .stem = "transformer.resblocks.",
    .norm1 = "ln_1",
    .qkv_weight = "attn.in_proj_weight",
    .qkv_bias = "attn.in_proj_bias",
    .out = "attn.out_proj",
    .layer_scale1 = "ls_1.gamma",
    .norm2 = "ln_2",
    .fc1 = "mlp.c_fc",
    .fc2 = "mlp.c_proj",
    .layer_scale2 = "ls_2.gamma",
};

inline constexpr WeightNames kOpenClipNames = {
    .prefix = "visual.",
    .patch = "conv1",
    .class_token = "class_embedding",
    .position = "positional_embedding",
    .pre_norm = "ln_pre",
    .block = kOpenClipBlock,
    .post_norm = "ln_post",
    .projection = "visual.proj",
    .projection_transposed = true,
};

/// vision_transformer.py of timm, with AttentionPoolLatent.
inline constexpr WeightNames kTimmSiglipNames = {
    .prefix = "visual.trunk.",
    .patch = "patch_embed.proj",
    .position = "pos_embed",
    .block = {.stem = "blocks.",
              .norm1 = "norm1",
              .qkv_weight = "attn.qkv.weight",
              .qkv_bias = "attn.qkv.bias",
              .out = "attn.proj",
              .norm2 = "norm2",
              .fc1 = "mlp.fc1",
              .fc2 = "mlp.fc2"},
    .post_norm = "norm",
    .pool = {.probe = "attn_pool.latent",
             .q = "attn_pool.q",
             .kv = "attn_pool.kv",
             .out = "attn_pool.proj",
             .norm = "attn_pool.norm",
             .fc1 = "attn_pool.mlp.fc1",
             .fc2 = "attn_pool.mlp.fc2"},
};

/// Without a prefix in models of class CLIP, with "text." in those of class CustomTextCLIP.
inline constexpr TextNames kOpenClipTextNames = {
    .prefix = "",
    .token_embedding = "token_embedding.weight",
    .position = "positional_embedding",
    .block = kOpenClipBlock,
    .final_norm = "ln_final",
    .projection = "text_projection",
    .projection_transposed = true,
};

Result<ModelConfig> ParseOpenClip(const Section& root);

}  // namespace photovec::model
