// SPDX-License-Identifier: MIT
#include "bench/encode_model.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "model/model_folder.h"
#include "model/presets.h"
#include "preprocess/spec.h"

namespace photovec::bench {
namespace {

using model::TransformerConfig;
using model::VisionConfig;

class RandomWeights {
 public:
  model::VisionModel Make(const VisionConfig& config) {
    model::VisionModel made;
    made.config = config;
    const int64_t d = config.hidden_size;
    const int64_t p = config.patch_size;
    auto& weights = made.weights;
    weights.patch = Tensor({d, 3, p, p}, 1.0F / std::sqrt(static_cast<float>(3 * p * p)));
    if (config.has_patch_bias) weights.patch_bias = Tensor({d}, 0.02F);
    if (config.has_class_token) weights.class_token = Tensor({d}, 0.5F);
    if (config.register_tokens > 0) weights.registers = Tensor({config.register_tokens, d}, 0.5F);
    if (config.positions == model::Positions::kLearned) {
      weights.position = Tensor({config.tokens() - config.register_tokens, d}, 0.3F);
    }
    if (config.has_pre_norm) weights.pre_norm = MakeNorm(d);
    for (int i = 0; i < config.layers; ++i) weights.blocks.push_back(MakeBlock(config));
    if (config.has_post_norm) weights.post_norm = MakeNorm(d);
    if (config.pooling == model::Pooling::kAttention) weights.pool = MakePool(config);
    if (config.projection_dim > 0) weights.projection.weight = Matrix(config.projection_dim, d);
    made.weights_sha256 = "random";
    made.storage = storage_;
    return made;
  }

  model::TextModel Make(const model::TextConfig& config) {
    model::TextModel made;
    made.config = config;
    const int64_t d = config.hidden_size;
    auto& weights = made.weights;
    weights.token_embedding = Tensor({config.vocabulary_size, d}, 0.5F);
    weights.position = Tensor({config.max_tokens, d}, 0.3F);
    for (int i = 0; i < config.layers; ++i) weights.blocks.push_back(MakeBlock(config));
    weights.final_norm = MakeNorm(d);
    if (config.projection_dim > 0) {
      weights.projection.weight = Matrix(config.projection_dim, d);
      if (config.has_projection_bias) weights.projection.bias = Tensor({config.projection_dim}, 0.02F);
    }
    made.weights_sha256 = "random";
    made.storage = made.token_storage = storage_;
    return made;
  }

 private:
  using Storage = std::vector<std::vector<float>>;

  TensorView Tensor(std::vector<int64_t> shape, float scale, float mean = 0) {
    TensorView view;
    view.name = "random";
    view.shape = std::move(shape);
    // A sum of two uniform numbers: much faster than a normal one, and the shape does not matter here.
    std::vector<float> values(static_cast<size_t>(view.elements()));
    for (float& value : values) value = mean + scale * 2.449F * (Unit() + Unit() - 1.0F);
    storage_->push_back(std::move(values));
    view.data = storage_->back().data();
    return view;
  }
  float Unit() { return static_cast<float>(random_() >> 8) * (1.0F / 16777216.0F); }

  TensorView Matrix(int64_t out, int64_t in) {
    return Tensor({out, in}, 1.0F / std::sqrt(static_cast<float>(in)));
  }
  model::Linear MakeLinear(int64_t out, int64_t in) { return {Matrix(out, in), Tensor({out}, 0.02F)}; }
  model::Norm MakeNorm(int64_t d) { return {Tensor({d}, 0.1F, 1.0F), Tensor({d}, 0.1F)}; }
  model::Block MakeBlock(const TransformerConfig& config) {
    const int64_t d = config.hidden_size;
    model::Block block;
    block.norm1 = MakeNorm(d);
    block.q = MakeLinear(d, d);
    block.k = MakeLinear(d, d);
    if (!config.has_key_bias) block.k.bias = {};
    block.v = MakeLinear(d, d);
    block.out = MakeLinear(d, d);
    block.norm2 = MakeNorm(d);
    block.fc1 = MakeLinear(config.mlp_size, d);
    if (config.gated_mlp) block.up = MakeLinear(config.mlp_size, d);
    block.fc2 = MakeLinear(d, config.mlp_size);
    if (config.has_layer_scale) {
      block.layer_scale1 = Tensor({d}, 0.1F, 0.5F);
      block.layer_scale2 = Tensor({d}, 0.1F, 0.5F);
    }
    return block;
  }
  model::AttentionPool MakePool(const VisionConfig& config) {
    const int64_t d = config.hidden_size;
    model::AttentionPool pool;
    pool.probe = Tensor({d}, 1);
    for (model::Linear* linear : {&pool.q, &pool.k, &pool.v, &pool.out}) *linear = MakeLinear(d, d);
    pool.norm = MakeNorm(d);
    pool.fc1 = MakeLinear(config.mlp_size, d);
    pool.fc2 = MakeLinear(d, config.mlp_size);
    return pool;
  }

  std::mt19937 random_{7};
  std::shared_ptr<Storage> storage_ = std::make_shared<Storage>();
};

}  // namespace

Result<BenchModel> LoadBenchModel(const std::string& dir_or_preset) {
  BenchModel bench;
  bench.name = dir_or_preset;
  std::error_code ignored;
  if (std::filesystem::is_directory(dir_or_preset, ignored) || dir_or_preset.find('/') != std::string::npos) {
    ASSIGN_OR_RETURN(const std::string dir, model::ModelFolder(dir_or_preset));
    ASSIGN_OR_RETURN(const preprocess::Spec spec, preprocess::LoadSpec(dir));
    ASSIGN_OR_RETURN(bench.model, model::LoadVisionModel(dir, spec.crop));
    ASSIGN_OR_RETURN(bench.text, model::LoadTextModel(dir));
    bench.normalization = spec.normalization;
    return bench;
  }
  ASSIGN_OR_RETURN(const model::Preset preset, model::PresetNamed(dir_or_preset));
  bench.name += " (random weights)";
  RandomWeights random;
  bench.model = random.Make(preset.config);
  if (preset.text) bench.text = random.Make(*preset.text);
  return bench;
}

model::VisionModel Shortened(const model::VisionModel& model, int layers) {
  model::VisionModel shorter = model;
  shorter.config.layers = layers;
  shorter.weights.blocks.resize(static_cast<size_t>(layers));
  return shorter;
}

model::TextModel Shortened(const model::TextModel& model, int layers) {
  model::TextModel shorter = model;
  shorter.config.layers = layers;
  shorter.weights.blocks.resize(static_cast<size_t>(layers));
  return shorter;
}

}  // namespace photovec::bench
