// SPDX-License-Identifier: MIT
#include "model/families/clip.h"

#include <array>

namespace photovec::model {
namespace {

Result<VisionConfig> ParseVision(const Section& vision) {
  VisionConfig config;
  ASSIGN_OR_RETURN(config.image_size, vision.Side("image_size", 224));
  ASSIGN_OR_RETURN(config.patch_size, vision.Side("patch_size", 32));
  ASSIGN_OR_RETURN(config.hidden_size, vision.Int("hidden_size", 768, 1, kMaxWidth));
  ASSIGN_OR_RETURN(config.layers, vision.Int("num_hidden_layers", 12, 1, kMaxLayers));
  ASSIGN_OR_RETURN(config.heads, vision.Int("num_attention_heads", 12, 1, kMaxWidth));
  ASSIGN_OR_RETURN(config.mlp_size, vision.Int("intermediate_size", 3072, 1, kMaxWidth));
  ASSIGN_OR_RETURN(config.activation, vision.Act("hidden_act", Activation::kQuickGelu));
  ASSIGN_OR_RETURN(config.layer_norm_eps, vision.Epsilon("layer_norm_eps", 1e-5F));
  RETURN_IF_ERROR(vision.Int("num_channels", 3, 3, 3).status());
  RETURN_IF_ERROR(CheckPatches(vision, config));
  RETURN_IF_ERROR(CheckHeads(vision, config, "num_attention_heads"));
  return config;
}

Result<TextConfig> ParseText(const Section& text) {
  TextConfig config;
  ASSIGN_OR_RETURN(config.vocabulary_size, text.Int("vocab_size", 49408, 1, kMaxVocabulary));
  ASSIGN_OR_RETURN(config.max_tokens, text.Int("max_position_embeddings", 77, 1, kMaxTextTokens));
  ASSIGN_OR_RETURN(config.hidden_size, text.Int("hidden_size", 512, 1, kMaxWidth));
  ASSIGN_OR_RETURN(config.layers, text.Int("num_hidden_layers", 12, 1, kMaxLayers));
  ASSIGN_OR_RETURN(config.heads, text.Int("num_attention_heads", 8, 1, kMaxWidth));
  ASSIGN_OR_RETURN(config.mlp_size, text.Int("intermediate_size", 2048, 1, kMaxWidth));
  ASSIGN_OR_RETURN(config.activation, text.Act("hidden_act", Activation::kQuickGelu));
  ASSIGN_OR_RETURN(config.layer_norm_eps, text.Epsilon("layer_norm_eps", 1e-5F));
  RETURN_IF_ERROR(CheckHeads(text, config, "num_attention_heads"));
  return config;
}

}  // namespace

Result<Section> ClipTower(const Section& root, std::string_view key) {
  const std::string old = std::string(key) + "_dict";
  return root.Object(root.Find(old) != nullptr ? old : key);
}

// Defaults: CLIPConfig, CLIPVisionConfig and CLIPTextConfig of transformers 5.24 (4.40 has the same).
Result<ModelConfig> ParseClip(const Section& root, std::string_view architecture) {
  ModelConfig model;
  model.vision_names = {kClipNames, WithoutPrefix(kClipNames)};
  model.text_names = {kClipTextNames, WithoutPrefix(kClipTextNames)};
  // A CLIPModel projects to the width named at the top; towers of their own to their own.
  const bool nested = root.Find("model_type") != nullptr && *root.Find("model_type") == "clip";
  const auto tower = [&](std::string_view key) -> Result<Section> {
    if (nested || architecture == "CLIPModel") return ClipTower(root, key);
    return root;
  };
  const bool whole = architecture == "CLIPModel";
  if (architecture != "CLIPTextModelWithProjection") {
    ASSIGN_OR_RETURN(const Section section, tower("vision_config"));
    ASSIGN_OR_RETURN(model.vision, ParseVision(section));
    model.vision->architecture = architecture;
    if (architecture != "CLIPVisionModel") {
      ASSIGN_OR_RETURN(model.vision->projection_dim,
                       (whole ? root : section).Int("projection_dim", 512, 1, kMaxWidth));
    }
  }
  if (whole || architecture == "CLIPTextModelWithProjection") {
    ASSIGN_OR_RETURN(const Section section, tower("text_config"));
    ASSIGN_OR_RETURN(model.text, ParseText(section));
    model.text->architecture = architecture;
    ASSIGN_OR_RETURN(model.text->projection_dim,
                     (whole ? root : section).Int("projection_dim", 512, 1, kMaxWidth));
  }
  if (whole) model.logit_scale = "logit_scale";
  return model;
}

namespace {

struct Shape {
  int image_size, patch_size, hidden_size, layers, heads, mlp_size, projection_dim;
};
struct TextShape {
  int hidden_size, layers, heads;
};

VisionConfig Images(const Shape& shape) {
  VisionConfig config;
  config.architecture = "CLIPVisionModelWithProjection";
  config.image_size = shape.image_size;
  config.patch_size = shape.patch_size;
  config.hidden_size = shape.hidden_size;
  config.layers = shape.layers;
  config.heads = shape.heads;
  config.mlp_size = shape.mlp_size;
  config.projection_dim = shape.projection_dim;
  return config;
}

/// Images and texts. The vocabulary is that of the tokenizer which random models come with.
Preset Whole(std::string_view name, std::string_view summary, const Shape& images, const TextShape& texts) {
  Preset preset{name, summary, Images(images)};
  TextConfig text;
  preset.config.architecture = text.architecture = "CLIPModel";
  text.hidden_size = texts.hidden_size;
  text.layers = texts.layers;
  text.heads = texts.heads;
  text.mlp_size = 4 * texts.hidden_size;
  text.projection_dim = images.projection_dim;
  text.vocabulary_size = kRandomClipVocabulary;
  text.max_tokens = 77;
  preset.text = text;
  return preset;
}

/// LAION's models have the exact GELU.
Preset WithGelu(Preset preset) {
  preset.config.activation = preset.text->activation = Activation::kGeluErf;
  return preset;
}

}  // namespace

std::span<const Preset> ClipPresets() {
  // arXiv:2103.00020, tables 19 and 20; arXiv:2212.07143 (H/14). tiny keeps the real input size, so that
  // decode, resize and slots cost what they cost with a real model, while encoding costs next to nothing.
  constexpr Shape kTiny = {224, 32, 128, 2, 2, 512, 64};
  static const std::array kPresets = {
      Preset{"tiny",
             "2 layers of width 128, images only: for tests, and where encoding should cost next to nothing",
             Images(kTiny)},
      Whole("tiny-text", "the same with a text tower of 2 layers of width 64", kTiny, {64, 2, 2}),
      Whole("clip-vit-b-32", "OpenAI CLIP ViT-B/32, 8.8 GFLOP an image", {224, 32, 768, 12, 12, 3072, 512},
            {512, 12, 8}),
      Whole("clip-vit-b-16", "OpenAI CLIP ViT-B/16, 35 GFLOP an image", {224, 16, 768, 12, 12, 3072, 512},
            {512, 12, 8}),
      Whole("clip-vit-l-14", "OpenAI CLIP ViT-L/14, 162 GFLOP an image", {224, 14, 1024, 24, 16, 4096, 768},
            {768, 12, 12}),
      Whole("clip-vit-l-14-336", "OpenAI CLIP ViT-L/14 at 336 pixels, 382 GFLOP an image",
            {336, 14, 1024, 24, 16, 4096, 768}, {768, 12, 12}),
      WithGelu(Whole("clip-vit-h-14", "LAION CLIP ViT-H/14, 334 GFLOP an image",
                     {224, 14, 1280, 32, 16, 5120, 1024}, {1024, 24, 16})),
  };
  return kPresets;
}

}  // namespace photovec::model
