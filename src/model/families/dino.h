// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <string_view>

#include "model/config_section.h"
#include "model/model_config.h"
#include "model/presets.h"
#include "model/weight_names.h"

/// What is alone DINOv2's (with and without registers), DINOv3's, and TIPSv2's image tower's, which is a
/// DINOv2 with registers.
namespace photovec::model {

/// As transformers 5 has them in memory.
inline constexpr WeightNames kDinoV2Names = {
    .prefix = "",
    .patch = "embeddings.patch_embeddings.projection",
    .class_token = "embeddings.cls_token",
    .registers = "embeddings.register_tokens",
    .position = "embeddings.position_embeddings",
    .block = {.stem = "encoder.layer.",
              .norm1 = "norm1",
              .q = "attention.q_proj",
              .k = "attention.k_proj",
              .v = "attention.v_proj",
              .out = "attention.o_proj",
              .layer_scale1 = "layer_scale1.lambda1",
              .norm2 = "norm2",
              .fc1 = "mlp.fc1",
              .fc2 = "mlp.fc2",
              .gate = "mlp.gate_proj",
              .up = "mlp.up_proj",
              .down = "mlp.down_proj",
              .layer_scale2 = "layer_scale2.lambda1"},
    .post_norm = "layernorm",
};

constexpr WeightNames OldDinoV2(WeightNames names) {
  names.block.q = "attention.attention.query";
  names.block.k = "attention.attention.key";
  names.block.v = "attention.attention.value";
  names.block.out = "attention.output.dense";
  names.block.gate = names.block.up = "";
  names.block.gate_up = "mlp.weights_in";
  names.block.down = "mlp.weights_out";
  return names;
}
/// As files on the hub have them, and what save_pretrained writes.
inline constexpr WeightNames kDinoV2HubNames = OldDinoV2(kDinoV2Names);

inline constexpr WeightNames kDinoV3Names = {
    .prefix = "",
    .patch = "embeddings.patch_embeddings",
    .class_token = "embeddings.cls_token",
    .registers = "embeddings.register_tokens",
    .block = {.stem = "layer.",
              .norm1 = "norm1",
              .q = "attention.q_proj",
              .k = "attention.k_proj",
              .v = "attention.v_proj",
              .out = "attention.o_proj",
              .layer_scale1 = "layer_scale1.lambda1",
              .norm2 = "norm2",
              .fc1 = "mlp.up_proj",
              .fc2 = "mlp.down_proj",
              .gate = "mlp.gate_proj",
              .up = "mlp.up_proj",
              .down = "mlp.down_proj",
              .layer_scale2 = "layer_scale2.lambda1"},
    .post_norm = "norm",
};

Result<ModelConfig> ParseDinoV2(const Section& root, std::string_view architecture);
Result<ModelConfig> ParseDinoV3(const Section& root, std::string_view architecture);
/// The image tower. The text tower has sinusoidal positions and averages its tokens: not supported.
Result<ModelConfig> ParseTipsV2(const Section& root, std::string_view architecture);

/// The fields in which both differ from CLIP.
void SetDinoV2(VisionConfig& config);
void SetDinoV3(VisionConfig& config);

/// DINOv2's width of a gated MLP: two thirds of the plain one, rounded up to a multiple of 8.
int SwiGluWidth(int plain);

/// Published shapes, and tiny ones. Smallest first.
std::span<const Preset> DinoPresets();

}  // namespace photovec::model
