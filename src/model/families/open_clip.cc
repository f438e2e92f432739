// SPDX-License-Identifier: MIT
#include "model/families/open_clip.h"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <span>
#include <string>

#include "model/families/siglip.h"

namespace photovec::model {
namespace {

/// SigLIP's image towers as timm builds them by name; the last part of the name is the picture size. Which of
/// them have the tanh form of GELU is written nowhere else. Source: timm 1.0.31,
/// models/vision_transformer.py.
struct TimmSiglip {
  std::string_view stem;  ///< the name without the picture size
  int patch_size, width, layers, heads, mlp_size;
  Activation activation;
};
constexpr std::array kTimmSiglip = {
    TimmSiglip{"vit_base_patch32_siglip_", 32, 768, 12, 12, 3072, Activation::kGeluTanh},
    TimmSiglip{"vit_base_patch16_siglip_", 16, 768, 12, 12, 3072, Activation::kGeluErf},
    TimmSiglip{"vit_large_patch16_siglip_", 16, 1024, 24, 16, 4096, Activation::kGeluErf},
    TimmSiglip{"vit_so400m_patch14_siglip_", 14, 1152, 27, 16, 4304, Activation::kGeluErf},
    TimmSiglip{"vit_so400m_patch16_siglip_", 16, 1152, 27, 16, 4304, Activation::kGeluTanh},
    TimmSiglip{"vit_giantopt_patch16_siglip_", 16, 1536, 40, 16, 6144, Activation::kGeluTanh},
};
constexpr std::string_view kTanhToo = "vit_large_patch16_siglip_512";  // 256 and 384 have the exact form

/// Other towers of timm that CLIP models are published with, by how their names begin.
constexpr std::pair<std::string_view, std::string_view> kOtherTowers[] = {
    {"fastvit_mci", "MobileCLIP"}, {"vit_base_mci", "MobileCLIP"}, {"eva", "EVA"},
    {"vit_pe_", "PE-Core"},        {"vitamin", "ViTamin"},         {"convnext", "ConvNeXt"},
    {"naflexvit", "NaFlex"},
};

std::string SupportedTowers(std::string_view found) {
  std::string text =
      "SigLIP's (vit_base_patch16_siglip_224 and its kin), and models without this key, whose tower is "
      "open_clip's own";
  for (const auto& [beginning, name] : kOtherTowers) {
    if (found.starts_with(beginning)) text += "; this is " + std::string(name) + ", another architecture";
  }
  return text;
}

bool IsOff(const boost::json::value& value) {
  return value.is_null() || value == boost::json::value(false) || value == boost::json::value(0) ||
         value == boost::json::value(0.0);
}

/// Keys that nobody here knows may change the arithmetic: all but `known` must be off.
Status OnlyKnown(const Section& section, std::initializer_list<std::string_view> known) {
  for (const auto& member : section.object()) {
    const std::string_view key = member.key();
    if (std::ranges::find(known, key) != known.end() || IsOff(member.value())) continue;
    return Unsupported(section.Path(key), member.value(), "this key left out, null or false");
  }
  return Status::Ok();
}

struct BlockKinds {
  Activation activation;
  float epsilon;
};

/// act_kwargs and norm_kwargs, which both kinds of tower have.
Result<BlockKinds> ParseKinds(const Section& section, bool quick_gelu) {
  BlockKinds kinds{quick_gelu ? Activation::kQuickGelu : Activation::kGeluErf, 1e-5F};
  ASSIGN_OR_RETURN(const Section norm, section.Object("norm_kwargs"));
  RETURN_IF_ERROR(OnlyKnown(norm, {"eps"}));
  ASSIGN_OR_RETURN(kinds.epsilon, norm.Epsilon("eps", kinds.epsilon));
  ASSIGN_OR_RETURN(const Section act, section.Object("act_kwargs"));
  RETURN_IF_ERROR(OnlyKnown(act, {"approximate"}));
  const boost::json::value* form = act.Find("approximate");
  if (form == nullptr || *form == "none") return kinds;
  if (*form != "tanh" || quick_gelu) return Unsupported(act.Path("approximate"), *form, "tanh, none");
  kinds.activation = Activation::kGeluTanh;
  return kinds;
}

Result<int> MlpSize(const Section& section, int width) {
  ASSIGN_OR_RETURN(const double ratio, section.Positive("mlp_ratio", 4.0, 64.0));
  const auto size = static_cast<int>(width * ratio);
  if (size < 1) return section.Fail("mlp_ratio leaves an MLP of no width");
  return size;
}

Result<VisionConfig> ParseTimm(const Section& vision, int embed_dim) {
  const boost::json::value& found = *vision.Find("timm_model_name");
  const std::string_view name = found.is_string() ? std::string_view(found.get_string()) : "";
  const auto row = std::ranges::find_if(
      kTimmSiglip, [&](const TimmSiglip& tower) { return name.starts_with(tower.stem); });
  if (row == kTimmSiglip.end() || name.find("_gap_") != std::string_view::npos) {
    return Unsupported(vision.Path("timm_model_name"), found, SupportedTowers(name));
  }
  RETURN_IF_ERROR(
      OnlyKnown(vision, {"image_size", "timm_model_name", "timm_model_pretrained", "timm_pool", "timm_proj",
                         "timm_drop", "timm_drop_path", "timm_proj_bias", "patch_dropout"}));
  for (const auto& [key, wanted] : {std::pair("timm_pool", "map"), std::pair("timm_proj", "none")}) {
    const boost::json::value* value = vision.Find(key);
    if (value == nullptr || *value != wanted) {
      return Unsupported(vision.Path(key), value == nullptr ? boost::json::value() : *value, wanted);
    }
  }
  VisionConfig config;
  SetSiglip(config);
  ASSIGN_OR_RETURN(config.image_size, vision.Side("image_size", 224));
  config.patch_size = row->patch_size;
  config.hidden_size = row->width;
  config.layers = row->layers;
  config.heads = row->heads;
  config.mlp_size = row->mlp_size;
  config.activation = name == kTanhToo ? Activation::kGeluTanh : row->activation;
  if (embed_dim != row->width) {
    return vision.Fail("timm_model_name gives vectors of " + std::to_string(row->width) +
                       " numbers, but model_cfg.embed_dim is " + std::to_string(embed_dim));
  }
  RETURN_IF_ERROR(CheckPatches(vision, config));
  return config;
}

Result<VisionConfig> ParseVision(const Section& vision, int embed_dim, bool quick_gelu) {
  if (vision.Find("timm_model_name") != nullptr) return ParseTimm(vision, embed_dim);
  if (const boost::json::value* layers = vision.Find("layers"); layers != nullptr && layers->is_array()) {
    return Unsupported(vision.Path("layers"), *layers,
                       "one number (a list is a ResNet: take one of the ViT models)");
  }
  RETURN_IF_ERROR(
      OnlyKnown(vision, {"image_size", "layers", "width", "head_width", "mlp_ratio", "patch_size",
                         "ls_init_value", "patch_dropout", "no_ln_pre", "final_ln_after_pool", "pool_type",
                         "pos_embed_type", "act_kwargs", "norm_kwargs", "attn_pooler_queries",
                         "attn_pooler_heads", "output_tokens", "timm_pool", "timm_proj"}));
  for (const auto& [key, wanted] :
       {std::pair("pool_type", "tok"), std::pair("pos_embed_type", "learnable")}) {
    const boost::json::value* value = vision.Find(key);
    if (value != nullptr && *value != wanted) return Unsupported(vision.Path(key), *value, wanted);
  }
  VisionConfig config;
  ASSIGN_OR_RETURN(config.image_size, vision.Side("image_size", 224));
  ASSIGN_OR_RETURN(config.patch_size, vision.Side("patch_size", 16));
  ASSIGN_OR_RETURN(config.hidden_size, vision.Int("width", 768, 1, kMaxWidth));
  ASSIGN_OR_RETURN(config.layers, vision.Int("layers", 12, 1, kMaxLayers));
  ASSIGN_OR_RETURN(const int head_width, vision.Int("head_width", 64, 1, kMaxWidth));
  if (config.hidden_size % head_width != 0) {
    return vision.Fail("width " + std::to_string(config.hidden_size) + " is not a multiple of head_width " +
                       std::to_string(head_width));
  }
  config.heads = config.hidden_size / head_width;
  ASSIGN_OR_RETURN(config.mlp_size, MlpSize(vision, config.hidden_size));
  ASSIGN_OR_RETURN(const BlockKinds kinds, ParseKinds(vision, quick_gelu));
  config.activation = kinds.activation;
  config.layer_norm_eps = kinds.epsilon;
  ASSIGN_OR_RETURN(const bool no_pre_norm, vision.Bool("no_ln_pre", false));
  config.has_pre_norm = !no_pre_norm;
  config.has_layer_scale = vision.Find("ls_init_value") != nullptr;
  config.projection_dim = embed_dim;
  RETURN_IF_ERROR(CheckPatches(vision, config));
  return config;
}

/// nullopt: a tower that is not open_clip's own (a HuggingFace language model).
Result<std::optional<TextConfig>> ParseText(const Section& text, int embed_dim, bool quick_gelu) {
  if (text.Find("hf_model_name") != nullptr) return std::optional<TextConfig>();
  RETURN_IF_ERROR(OnlyKnown(text, {"context_length",
                                   "vocab_size",
                                   "hf_tokenizer_name",
                                   "tokenizer_mode",
                                   "tokenizer_kwargs",
                                   "width",
                                   "heads",
                                   "layers",
                                   "mlp_ratio",
                                   "ls_init_value",
                                   "pad_id",
                                   "eos_id",
                                   "no_causal_mask",
                                   "final_ln_after_pool",
                                   "pool_type",
                                   "proj_bias",
                                   "proj_type",
                                   "output_tokens",
                                   "act_kwargs",
                                   "norm_kwargs"}));
  TextConfig config;
  ASSIGN_OR_RETURN(config.vocabulary_size, text.Int("vocab_size", 49408, 1, kMaxVocabulary));
  ASSIGN_OR_RETURN(config.max_tokens, text.Int("context_length", 77, 1, kMaxTextTokens));
  ASSIGN_OR_RETURN(config.hidden_size, text.Int("width", 512, 1, kMaxWidth));
  ASSIGN_OR_RETURN(config.layers, text.Int("layers", 12, 1, kMaxLayers));
  ASSIGN_OR_RETURN(config.heads, text.Int("heads", 8, 1, kMaxWidth));
  RETURN_IF_ERROR(CheckHeads(text, config, "heads"));
  ASSIGN_OR_RETURN(config.mlp_size, MlpSize(text, config.hidden_size));
  ASSIGN_OR_RETURN(const BlockKinds kinds, ParseKinds(text, quick_gelu));
  config.activation = kinds.activation;
  config.layer_norm_eps = kinds.epsilon;
  config.has_layer_scale = text.Find("ls_init_value") != nullptr;
  ASSIGN_OR_RETURN(const bool no_mask, text.Bool("no_causal_mask", false));
  config.causal = !no_mask;
  const boost::json::value* pool = text.Find("pool_type");
  const bool fits = config.causal ? pool == nullptr || *pool == "argmax" || *pool == "eos"
                                  : pool != nullptr && *pool == "last";
  if (!fits) {
    return Unsupported(text.Path("pool_type"), pool == nullptr ? boost::json::value("argmax") : *pool,
                       config.causal ? "argmax, eos" : "last, as no_causal_mask is true");
  }
  const boost::json::value* projection = text.Find("proj_type");
  if (projection != nullptr && *projection == "none") {
    if (embed_dim == config.hidden_size) return std::optional(config);
    return Unsupported(text.Path("proj_type"), *projection, "linear, as width is not model_cfg.embed_dim");
  }
  if (projection != nullptr && *projection != "linear") {
    return Unsupported(text.Path("proj_type"), *projection, "linear, none");
  }
  config.projection_dim = embed_dim;
  ASSIGN_OR_RETURN(config.has_projection_bias, text.Bool("proj_bias", false));
  return std::optional(config);
}

TextNames TextNamesFor(const TextConfig& config, std::string_view prefix) {
  TextNames names = kOpenClipTextNames;
  names.prefix = prefix;
  const bool custom = !prefix.empty();
  names.projection = custom ? "text.text_projection" : "text_projection";
  if (config.has_projection_bias) {  // a Linear in place of a bare matrix
    names.projection = custom ? "text.text_projection.weight" : "text_projection.weight";
    names.projection_bias = custom ? "text.text_projection.bias" : "text_projection.bias";
    names.projection_transposed = false;
  }
  return names;
}

}  // namespace

// Defaults: CLIPVisionCfg and CLIPTextCfg of open_clip 3.3.0, model.py.
Result<ModelConfig> ParseOpenClip(const Section& root) {
  if (root.Find("model_cfg") == nullptr)
    return root.Fail("\"model_cfg\" is missing: not an open_clip_config.json?");
  ASSIGN_OR_RETURN(const Section top, root.Object("model_cfg"));
  RETURN_IF_ERROR(OnlyKnown(top, {"embed_dim", "vision_cfg", "text_cfg", "quick_gelu", "custom_text",
                                  "init_logit_scale", "init_logit_bias", "nonscalar_logit_scale"}));
  if (top.Find("embed_dim") == nullptr) return top.Fail("embed_dim is missing");
  ASSIGN_OR_RETURN(const int embed_dim, top.Int("embed_dim", 0, 1, kMaxWidth));
  ASSIGN_OR_RETURN(const bool quick_gelu, top.Bool("quick_gelu", false));
  ASSIGN_OR_RETURN(const Section vision, top.Object("vision_cfg"));
  ASSIGN_OR_RETURN(const Section text, top.Object("text_cfg"));
  ModelConfig model;
  model.open_clip_weights = true;
  ASSIGN_OR_RETURN(model.vision, ParseVision(vision, embed_dim, quick_gelu));
  model.vision->architecture = "open_clip";
  model.vision_names = {vision.Find("timm_model_name") != nullptr ? kTimmSiglipNames : kOpenClipNames};
  ASSIGN_OR_RETURN(model.text, ParseText(text, embed_dim, quick_gelu));
  if (!model.text) return model;
  model.text->architecture = "open_clip";
  model.text_names = {TextNamesFor(*model.text, ""), TextNamesFor(*model.text, "text.")};
  model.logit_scale = "logit_scale";
  if (top.Find("init_logit_bias") != nullptr) model.logit_bias = "logit_bias";
  return model;
}

}  // namespace photovec::model
