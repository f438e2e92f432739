// SPDX-License-Identifier: MIT
#include <string_view>

#include "fuzz/fuzz_target.h"
#include "model/model_config.h"
#include "model/presets.h"
#include "model/random/model_files.h"

namespace photovec::fuzz {
namespace {

constexpr int64_t kLargest = int64_t{1}
                             << 40;  // elements of a tensor: sizes stay far from where they overflow

void CheckTower(const model::TransformerConfig& config) {
  Check(config.hidden_size > 0 && config.layers > 0 && config.heads > 0 && config.mlp_size > 0,
        "sizes are above 0");
  Check(config.hidden_size % config.heads == 0, "heads are of equal size");
  Check(int64_t{config.hidden_size} * config.mlp_size < kLargest, "weights have bounded sizes");
  Check(config.layer_norm_eps > 0, "epsilons are above 0");
}

void CheckConfig(const Result<model::ModelConfig>& config) {
  if (!config.ok()) {
    Check(config.status().code() == Code::kInvalidRequest, "a wrong config is the user's");
    return Check(!config.status().message().empty(), "errors say what is wrong");
  }
  Check(config->vision.has_value() || config->text.has_value(), "there is a tower");
  if (config->vision) {
    CheckTower(*config->vision);
    Check(!config->vision_names.empty(), "a tower has names");
    Check(config->vision->grid() > 0 && config->vision->grid() <= 4096, "there is a patch");
    Check(config->vision->embedding_dim() > 0, "vectors have numbers");
    Check(config->vision->FlopsPerImage() > 0, "images cost something");
  }
  if (config->text) {
    CheckTower(*config->text);
    Check(!config->text_names.empty(), "a tower has names");
    Check(config->text->vocabulary_size > 0 && config->text->max_tokens > 0, "texts have tokens");
    Check(int64_t{config->text->vocabulary_size} * config->text->hidden_size < kLargest,
          "tables have bounded sizes");
  }
}

}  // namespace

void FuzzOne(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  CheckConfig(model::ParseModelConfig(text));
  CheckConfig(model::ParseOpenClipConfig(text));
}

void Repair(std::vector<uint8_t>* /*file*/) {}  // nothing in it depends on anything else in it

std::vector<std::vector<uint8_t>> Seeds() {
  std::vector<std::vector<uint8_t>> seeds;
  const auto add = [&](std::string_view text) { seeds.emplace_back(text.begin(), text.end()); };
  for (const model::Preset& preset : model::Presets())
    add(model::ModelFiles(preset, DType::kF32).back().text);
  add(R"({"model_type":"dinov2","use_swiglu_ffn":true,"mlp_ratio":4,"image_size":[518,518]})");
  add(R"({"model_type":"tipsv2","vision_config":{"mlp_ratio":3.7362,"num_register_tokens":1}})");
  add(R"({"model_cfg":{"embed_dim":64,"quick_gelu":true,"vision_cfg":{"image_size":224,"layers":2,"width":128,)"
      R"("head_width":64,"patch_size":32,"mlp_ratio":4.9231,"ls_init_value":0.1,"no_ln_pre":true},"text_cfg":)"
      R"({"context_length":77,"vocab_size":514,"width":64,"heads":2,"layers":2}},"preprocess_cfg":{}})");
  add(R"({"model_cfg":{"embed_dim":768,"init_logit_bias":-10,"vision_cfg":{"image_size":224,"timm_model_name":)"
      R"("vit_base_patch16_siglip_224","timm_pool":"map","timm_proj":"none"},"text_cfg":{"width":768,"heads":12,)"
      R"("no_causal_mask":true,"proj_bias":true,"pool_type":"last","norm_kwargs":{"eps":1e-6},)"
      R"("act_kwargs":{"approximate":"tanh"}}}})");
  return seeds;
}

}  // namespace photovec::fuzz
