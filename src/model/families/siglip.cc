// SPDX-License-Identifier: MIT
#include "model/families/siglip.h"

#include <array>

namespace photovec::model {
namespace {

constexpr float kEpsilon = 1e-6F;

Result<VisionConfig> ParseVision(const Section& vision) {
  VisionConfig config;
  SetSiglip(config);
  ASSIGN_OR_RETURN(config.image_size, vision.Side("image_size", 224));
  ASSIGN_OR_RETURN(config.patch_size, vision.Side("patch_size", 16));
  ASSIGN_OR_RETURN(config.hidden_size, vision.Int("hidden_size", 768, 1, kMaxWidth));
  ASSIGN_OR_RETURN(config.layers, vision.Int("num_hidden_layers", 12, 1, kMaxLayers));
  ASSIGN_OR_RETURN(config.heads, vision.Int("num_attention_heads", 12, 1, kMaxWidth));
  ASSIGN_OR_RETURN(config.mlp_size, vision.Int("intermediate_size", 3072, 1, kMaxWidth));
  ASSIGN_OR_RETURN(config.activation, vision.Act("hidden_act", Activation::kGeluTanh));
  ASSIGN_OR_RETURN(config.layer_norm_eps, vision.Epsilon("layer_norm_eps", kEpsilon));
  RETURN_IF_ERROR(vision.Int("num_channels", 3, 3, 3).status());
  RETURN_IF_ERROR(vision.Only("vision_use_head", true, "without its head the tower gives no vector"));
  RETURN_IF_ERROR(CheckPatches(vision, config));
  RETURN_IF_ERROR(CheckHeads(vision, config, "num_attention_heads"));
  return config;
}

Result<TextConfig> ParseText(const Section& text) {
  TextConfig config;
  SetSiglip(config);
  ASSIGN_OR_RETURN(config.vocabulary_size, text.Int("vocab_size", 32000, 1, kMaxVocabulary));
  ASSIGN_OR_RETURN(config.max_tokens, text.Int("max_position_embeddings", 64, 1, kMaxTextTokens));
  ASSIGN_OR_RETURN(config.hidden_size, text.Int("hidden_size", 768, 1, kMaxWidth));
  ASSIGN_OR_RETURN(config.layers, text.Int("num_hidden_layers", 12, 1, kMaxLayers));
  ASSIGN_OR_RETURN(config.heads, text.Int("num_attention_heads", 12, 1, kMaxWidth));
  ASSIGN_OR_RETURN(config.mlp_size, text.Int("intermediate_size", 3072, 1, kMaxWidth));
  ASSIGN_OR_RETURN(config.activation, text.Act("hidden_act", Activation::kGeluTanh));
  ASSIGN_OR_RETURN(config.layer_norm_eps, text.Epsilon("layer_norm_eps", kEpsilon));
  ASSIGN_OR_RETURN(config.projection_dim, text.Int("projection_size", config.hidden_size, 1, kMaxWidth));
  RETURN_IF_ERROR(CheckHeads(text, config, "num_attention_heads"));
  return config;
}

}  // namespace

void SetSiglip(VisionConfig& config) {
  config.activation = Activation::kGeluTanh;
  config.layer_norm_eps = kEpsilon;
  config.pooling = Pooling::kAttention;
  config.has_class_token = false;
  config.has_patch_bias = true;
  config.has_pre_norm = false;
}

void SetSiglip(TextConfig& config) {
  config.activation = Activation::kGeluTanh;
  config.layer_norm_eps = kEpsilon;
  config.causal = false;
  config.has_projection_bias = true;
}

// Defaults: SiglipConfig, SiglipVisionConfig and SiglipTextConfig of transformers 5.24. Published configs
// leave out nearly everything and rely on them.
Result<ModelConfig> ParseSiglip(const Section& root, std::string_view architecture) {
  ModelConfig model;
  model.vision_names = {kSiglipNames, WithoutPrefix(kSiglipNames)};
  const bool whole = architecture == "SiglipModel";
  const bool nested = whole || (root.Find("model_type") != nullptr && *root.Find("model_type") == "siglip");
  ASSIGN_OR_RETURN(const Section vision, nested ? root.Object("vision_config") : Result<Section>(root));
  ASSIGN_OR_RETURN(model.vision, ParseVision(vision));
  model.vision->architecture = architecture;
  if (!whole) return model;
  model.text_names = {kSiglipTextNames};
  ASSIGN_OR_RETURN(const Section text, root.Object("text_config"));
  ASSIGN_OR_RETURN(model.text, ParseText(text));
  model.text->architecture = architecture;
  model.logit_scale = "logit_scale";
  model.logit_bias = "logit_bias";
  return model;
}

namespace {

struct Shape {
  int image_size, patch_size, hidden_size, layers, heads, mlp_size;
};

/// Both towers have one shape. The vocabulary is that of the tokenizer which random models come with.
Preset Siglip(std::string_view name, std::string_view summary, const Shape& shape) {
  Preset preset{name, summary, {}};
  TextConfig text;
  for (TransformerConfig* config :
       {static_cast<TransformerConfig*>(&preset.config), static_cast<TransformerConfig*>(&text)}) {
    config->hidden_size = shape.hidden_size;
    config->layers = shape.layers;
    config->heads = shape.heads;
    config->mlp_size = shape.mlp_size;
  }
  SetSiglip(preset.config);
  SetSiglip(text);
  preset.config.architecture = text.architecture = "SiglipModel";
  preset.config.image_size = shape.image_size;
  preset.config.patch_size = shape.patch_size;
  text.vocabulary_size = kRandomSiglipVocabulary;
  text.max_tokens = 64;
  text.projection_dim = shape.hidden_size;
  preset.text = text;
  return preset;
}

}  // namespace

std::span<const Preset> SiglipPresets() {
  // arXiv:2303.15343 and arXiv:2305.13035 (SO400M); SigLIP 2 has the same shapes: arXiv:2502.14786.
  static const std::array kPresets = {
      Siglip("tiny-siglip", "SigLIP with 2 layers of width 128 in both towers", {224, 32, 128, 2, 2, 512}),
      Siglip("siglip-b-16", "SigLIP ViT-B/16, 36 GFLOP an image", {224, 16, 768, 12, 12, 3072}),
      Siglip("siglip2-b-16", "SigLIP 2 ViT-B/16, of the same shape", {224, 16, 768, 12, 12, 3072}),
      Siglip("siglip-l-16-256", "SigLIP ViT-L/16 at 256 pixels, 162 GFLOP an image",
             {256, 16, 1024, 24, 16, 4096}),
      Siglip("siglip-so400m-14-384", "SigLIP SO400M/14 at 384 pixels, 670 GFLOP an image",
             {384, 14, 1152, 27, 16, 4304}),
  };
  return kPresets;
}

}  // namespace photovec::model
