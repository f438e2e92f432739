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

#include "model/presets.h"
#include "preprocess/spec.h"

namespace photovec::bench {
namespace {

using model::VisionConfig;

class RandomWeights {
 public:
  explicit RandomWeights(const VisionConfig& config) : config_(config) {}

  model::VisionModel Make() {
    model::VisionModel made;
    made.config = config_;
    const int64_t d = config_.hidden_size;
    const int64_t p = config_.patch_size;
    auto& weights = made.weights;
    weights.patch = Tensor({d, 3, p, p}, 1.0F / std::sqrt(static_cast<float>(3 * p * p)));
    if (config_.has_patch_bias) weights.patch_bias = Tensor({d}, 0.02F);
    if (config_.has_class_token) weights.class_token = Tensor({d}, 0.5F);
    weights.position = Tensor({config_.tokens(), d}, 0.3F);
    if (config_.has_pre_norm) weights.pre_norm = MakeNorm();
    for (int i = 0; i < config_.layers; ++i) weights.blocks.push_back(MakeBlock());
    if (config_.has_post_norm) weights.post_norm = MakeNorm();
    if (config_.projection_dim > 0) weights.projection.weight = Matrix(config_.projection_dim, d);
    made.weights_sha256 = "random";
    made.storage = storage_;
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
  model::Norm MakeNorm() {
    const int64_t d = config_.hidden_size;
    return {Tensor({d}, 0.1F, 1.0F), Tensor({d}, 0.1F)};
  }
  model::Block MakeBlock() {
    const int64_t d = config_.hidden_size;
    model::Block block;
    block.norm1 = MakeNorm();
    block.q = MakeLinear(d, d);
    block.k = MakeLinear(d, d);
    block.v = MakeLinear(d, d);
    block.out = MakeLinear(d, d);
    block.norm2 = MakeNorm();
    block.fc1 = MakeLinear(config_.mlp_size, d);
    block.fc2 = MakeLinear(d, config_.mlp_size);
    if (config_.has_layer_scale) {
      block.layer_scale1 = Tensor({d}, 0.1F, 0.5F);
      block.layer_scale2 = Tensor({d}, 0.1F, 0.5F);
    }
    return block;
  }

  const VisionConfig config_;
  std::mt19937 random_{7};
  std::shared_ptr<Storage> storage_ = std::make_shared<Storage>();
};

}  // namespace

Result<BenchModel> LoadBenchModel(const std::string& dir_or_preset) {
  BenchModel bench;
  bench.name = dir_or_preset;
  std::error_code ignored;
  if (std::filesystem::is_directory(dir_or_preset, ignored) || dir_or_preset.find('/') != std::string::npos) {
    ASSIGN_OR_RETURN(const preprocess::Spec spec, preprocess::LoadSpec(dir_or_preset));
    ASSIGN_OR_RETURN(bench.model, model::LoadVisionModel(dir_or_preset, spec.crop));
    bench.normalization = spec.normalization;
    return bench;
  }
  ASSIGN_OR_RETURN(const VisionConfig config, model::FindPreset(dir_or_preset));
  bench.name += " (random weights)";
  bench.model = RandomWeights(config).Make();
  return bench;
}

model::VisionModel Shortened(const model::VisionModel& model, int layers) {
  model::VisionModel shorter = model;
  shorter.config.layers = layers;
  shorter.weights.blocks.resize(static_cast<size_t>(layers));
  return shorter;
}

}  // namespace photovec::bench
