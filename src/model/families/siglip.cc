// SPDX-License-Identifier: MIT
#include "model/families/siglip.h"

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

}  // namespace photovec::model
