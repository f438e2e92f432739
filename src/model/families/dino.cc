// SPDX-License-Identifier: MIT
#include "model/families/dino.h"

#include <array>

namespace photovec::model {
namespace {

constexpr WeightNames WithPrefix(WeightNames names, std::string_view prefix) {
  names.prefix = prefix;
  return names;
}

constexpr WeightNames WithStem(WeightNames names, std::string_view stem) {
  names.block.stem = stem;
  return names;
}

/// TIPSv2's repositories, before transformers took it in.
constexpr WeightNames kTipsNames = {
    .prefix = "vision_encoder.",
    .patch = "patch_embed.proj",
    .class_token = "cls_token",
    .registers = "register_tokens",
    .position = "pos_embed",
    .block = {.stem = "blocks.",
              .norm1 = "norm1",
              .qkv_weight = "attn.qkv.weight",
              .qkv_bias = "attn.qkv.bias",
              .out = "attn.proj",
              .layer_scale1 = "ls1.gamma",
              .norm2 = "norm2",
              .fc1 = "mlp.c_fc",
              .fc2 = "mlp.c_proj",
              .gate_up = "mlp.w12",
              .down = "mlp.w3",
              .layer_scale2 = "ls2.gamma"},
    .post_norm = "norm",
};

struct DinoDefaults {
  int image_size = 224;
  int patch_size = 14;
  int registers = 0;
};

Result<VisionConfig> ParseVision(const Section& root, const DinoDefaults& defaults) {
  VisionConfig config;
  SetDinoV2(config);
  ASSIGN_OR_RETURN(config.image_size, root.Side("image_size", defaults.image_size));
  ASSIGN_OR_RETURN(config.patch_size, root.Side("patch_size", defaults.patch_size));
  ASSIGN_OR_RETURN(config.hidden_size, root.Int("hidden_size", 768, 1, kMaxWidth));
  ASSIGN_OR_RETURN(config.layers, root.Int("num_hidden_layers", 12, 1, kMaxLayers));
  ASSIGN_OR_RETURN(config.heads, root.Int("num_attention_heads", 12, 1, kMaxWidth));
  ASSIGN_OR_RETURN(const double ratio, root.Positive("mlp_ratio", 4.0, 64.0));
  ASSIGN_OR_RETURN(config.gated_mlp, root.Bool("use_swiglu_ffn", false));
  const auto plain = static_cast<int>(config.hidden_size * ratio);
  config.mlp_size = config.gated_mlp ? SwiGluWidth(plain) : plain;
  if (config.mlp_size < 1) return root.Fail("mlp_ratio leaves an MLP of no width");
  ASSIGN_OR_RETURN(config.activation, root.Act("hidden_act", Activation::kGeluErf));
  if (config.gated_mlp) config.activation = Activation::kSilu;  // whatever hidden_act says
  ASSIGN_OR_RETURN(config.layer_norm_eps, root.Epsilon("layer_norm_eps", 1e-6F));
  if (defaults.registers > 0) {
    ASSIGN_OR_RETURN(config.register_tokens,
                     root.Int("num_register_tokens", defaults.registers, 0, kMaxRegisters));
  }
  RETURN_IF_ERROR(root.Int("num_channels", 3, 3, 3).status());
  RETURN_IF_ERROR(root.Only("qkv_bias", true, "no model without it was published"));
  RETURN_IF_ERROR(CheckPatches(root, config));
  RETURN_IF_ERROR(CheckHeads(root, config, "num_attention_heads"));
  return config;
}

}  // namespace

int SwiGluWidth(int plain) { return (static_cast<int>(plain * 2 / 3.0) + 7) / 8 * 8; }

void SetDinoV2(VisionConfig& config) {
  config.activation = Activation::kGeluErf;
  config.layer_norm_eps = 1e-6F;
  config.has_patch_bias = true;
  config.has_pre_norm = false;
  config.has_layer_scale = true;
}

void SetDinoV3(VisionConfig& config) {
  SetDinoV2(config);
  config.layer_norm_eps = 1e-5F;
  config.positions = Positions::kRotary;
  config.has_key_bias = false;
}

// Defaults: Dinov2Config and Dinov2WithRegistersConfig of transformers 5.24.
Result<ModelConfig> ParseDinoV2(const Section& root, std::string_view architecture) {
  const bool registers = architecture == "Dinov2WithRegistersModel";
  ModelConfig model;
  ASSIGN_OR_RETURN(model.vision,
                   ParseVision(root, {.patch_size = registers ? 16 : 14, .registers = registers ? 4 : 0}));
  model.vision->architecture = architecture;
  model.resampling = registers ? GridResampling::kBicubicAntialias : GridResampling::kBicubic;
  model.vision_names = {kDinoV2HubNames, kDinoV2Names};
  return model;
}

// Defaults: DINOv3ViTConfig of transformers 5.24.
Result<ModelConfig> ParseDinoV3(const Section& root, std::string_view architecture) {
  ModelConfig model;
  VisionConfig config;
  SetDinoV3(config);
  config.architecture = architecture;
  ASSIGN_OR_RETURN(config.image_size, root.Side("image_size", 224));
  ASSIGN_OR_RETURN(config.patch_size, root.Side("patch_size", 16));
  ASSIGN_OR_RETURN(config.hidden_size, root.Int("hidden_size", 384, 1, kMaxWidth));
  ASSIGN_OR_RETURN(config.layers, root.Int("num_hidden_layers", 12, 1, kMaxLayers));
  ASSIGN_OR_RETURN(config.heads, root.Int("num_attention_heads", 6, 1, kMaxWidth));
  ASSIGN_OR_RETURN(config.mlp_size, root.Int("intermediate_size", 1536, 1, kMaxWidth));
  ASSIGN_OR_RETURN(config.gated_mlp, root.Bool("use_gated_mlp", false));
  ASSIGN_OR_RETURN(config.activation, root.Act("hidden_act", Activation::kGeluErf));
  ASSIGN_OR_RETURN(config.layer_norm_eps, root.Epsilon("layer_norm_eps", 1e-5F));
  ASSIGN_OR_RETURN(config.register_tokens, root.Int("num_register_tokens", 0, 0, kMaxRegisters));
  ASSIGN_OR_RETURN(const double theta, root.Positive("rope_theta", 100.0, 1e9));
  config.rope_theta = static_cast<float>(theta);
  RETURN_IF_ERROR(root.Int("num_channels", 3, 3, 3).status());
  RETURN_IF_ERROR(root.Only("key_bias", false, "no model with it was published"));
  RETURN_IF_ERROR(root.Only("proj_bias", true, "no model without it was published"));
  RETURN_IF_ERROR(root.Only("mlp_bias", true, "no model without it was published"));
  ASSIGN_OR_RETURN(model.has_query_bias, root.Bool("query_bias", true));
  ASSIGN_OR_RETURN(model.has_value_bias, root.Bool("value_bias", true));
  RETURN_IF_ERROR(CheckPatches(root, config));
  RETURN_IF_ERROR(CheckHeads(root, config, "num_attention_heads"));
  if (config.head_dim() % 4 != 0) {
    return root.Fail("hidden_size / num_attention_heads is " + std::to_string(config.head_dim()) +
                     "; supported: multiples of 4, for rotary positions in two directions");
  }
  model.vision = config;
  model.vision_names = {kDinoV3Names, WithStem(kDinoV3Names, "model.layer.")};
  return model;
}

// Defaults: Tipsv2VisionConfig of transformers 5.24.
Result<ModelConfig> ParseTipsV2(const Section& root, std::string_view architecture) {
  ModelConfig model;
  ASSIGN_OR_RETURN(const Section vision,
                   architecture == "Tipsv2Model" ? root.Object("vision_config") : Result<Section>(root));
  ASSIGN_OR_RETURN(model.vision, ParseVision(vision, {.image_size = 448, .registers = 1}));
  model.vision->architecture = architecture;
  model.resampling = GridResampling::kBilinearAntialias;
  model.vision_names = {kTipsNames, WithPrefix(kTipsNames, ""), WithPrefix(kDinoV2Names, "vision_model."),
                        kDinoV2Names};
  return model;
}

namespace {

struct Shape {
  int patch_size, hidden_size, layers, heads;
  int registers = 0;
};

VisionConfig Vit(const Shape& shape) {
  VisionConfig config;
  config.image_size = 224;
  config.patch_size = shape.patch_size;
  config.hidden_size = shape.hidden_size;
  config.layers = shape.layers;
  config.heads = shape.heads;
  config.mlp_size = 4 * shape.hidden_size;
  config.register_tokens = shape.registers;
  return config;
}

/// Trained at 518 pixels, used at 224.
Preset V2(std::string_view name, std::string_view summary, const Shape& shape) {
  Preset preset{name, summary, Vit(shape)};
  SetDinoV2(preset.config);
  preset.config.architecture = shape.registers > 0 ? "Dinov2WithRegistersModel" : "Dinov2Model";
  preset.trained_size = 37 * shape.patch_size;
  return preset;
}

Preset V3(std::string_view name, std::string_view summary, const Shape& shape) {
  Preset preset{name, summary, Vit(shape)};
  SetDinoV3(preset.config);
  preset.config.architecture = "DINOv3ViTModel";
  return preset;
}

}  // namespace

std::span<const Preset> DinoPresets() {
  // arXiv:2304.07193, table 16; arXiv:2309.16588; arXiv:2508.10104, table 2.
  static const std::array kPresets = {
      V2("tiny-dinov2", "DINOv2 with 2 layers of width 128", {32, 128, 2, 2}),
      V2("tiny-dinov2-reg", "the same with 4 registers", {32, 128, 2, 2, 4}),
      V3("tiny-dinov3", "DINOv3 with 2 layers of width 128", {32, 128, 2, 2, 4}),
      V2("dinov2-s-14", "DINOv2 ViT-S/14, 12 GFLOP an image", {14, 384, 12, 6}),
      V2("dinov2-b-14", "DINOv2 ViT-B/14, 47 GFLOP an image", {14, 768, 12, 12}),
      V2("dinov2-b-14-reg", "the same with 4 registers", {14, 768, 12, 12, 4}),
      V3("dinov3-s-16", "DINOv3 ViT-S/16, 9 GFLOP an image", {16, 384, 12, 6, 4}),
      V3("dinov3-b-16", "DINOv3 ViT-B/16, 36 GFLOP an image", {16, 768, 12, 12, 4}),
  };
  return kPresets;
}

}  // namespace photovec::model
