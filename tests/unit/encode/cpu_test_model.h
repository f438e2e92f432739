// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/machine.h"
#include "base/slot_pool.h"
#include "encode/encoder.h"
#include "model/text_model.h"
#include "model/vision_model.h"

namespace photovec::encode::test {

/// Random f32 tensors in memory, alive as long as `storage`.
class RandomTensors {
 public:
  explicit RandomTensors(uint32_t seed) : random_(seed) {}

  std::shared_ptr<const void> storage() const { return storage_; }

  TensorView Normal(std::vector<int64_t> shape, float scale, float mean = 0) {
    TensorView view;
    view.name = "random";
    view.shape = std::move(shape);
    const auto count = static_cast<size_t>(view.elements());
    storage_->push_back(std::make_unique<float[]>(count));
    std::normal_distribution<float> normal(mean, scale);
    for (size_t i = 0; i < count; ++i) storage_->back()[i] = normal(random_);
    view.data = storage_->back().get();
    return view;
  }

  /// Layernorm scales have outlier channels, as trained models have.
  model::Norm MakeNorm(int64_t d) {
    model::Norm norm{Normal({d}, 0.2F, 1.0F), Normal({d}, 0.2F)};
    auto* gamma = const_cast<float*>(static_cast<const float*>(norm.gamma.data));
    gamma[3] = 12.0F;
    gamma[d / 2] = -7.0F;
    return norm;
  }

  model::Linear MakeLinear(int64_t out, int64_t in) {
    return {Normal({out, in}, Scale(in)), Normal({out}, 0.1F)};
  }

  model::Block MakeBlock(const model::TransformerConfig& config) {
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
      block.layer_scale1 = Normal({d}, 0.3F, 0.5F);
      block.layer_scale2 = Normal({d}, 0.3F, 0.5F);
    }
    return block;
  }

  static float Scale(int64_t depth) { return 1.0F / std::sqrt(static_cast<float>(depth)); }

 private:
  using Storage = std::vector<std::unique_ptr<float[]>>;
  std::shared_ptr<Storage> storage_ = std::make_shared<Storage>();
  std::mt19937 random_;
};

/// An image tower with random f32 weights in memory.
class RandomModel {
 public:
  explicit RandomModel(const model::VisionConfig& config, uint32_t seed = 1) {
    RandomTensors random(seed);
    model_.config = config;
    model_.storage = random.storage();
    const int64_t d = config.hidden_size;
    const int64_t p = config.patch_size;
    auto& weights = model_.weights;
    weights.patch = random.Normal({d, 3, p, p}, RandomTensors::Scale(3 * p * p));
    if (config.has_patch_bias) weights.patch_bias = random.Normal({d}, 0.1F);
    if (config.has_class_token) weights.class_token = random.Normal({d}, 0.5F);
    if (config.register_tokens > 0) weights.registers = random.Normal({config.register_tokens, d}, 0.5F);
    if (config.positions == model::Positions::kLearned) {
      weights.position = random.Normal({config.tokens() - config.register_tokens, d}, 0.3F);
    }
    if (config.has_pre_norm) weights.pre_norm = random.MakeNorm(d);
    for (int i = 0; i < config.layers; ++i) weights.blocks.push_back(random.MakeBlock(config));
    if (config.has_post_norm) weights.post_norm = random.MakeNorm(d);
    if (config.pooling == model::Pooling::kAttention) {
      weights.pool = {random.Normal({d}, 1),
                      random.MakeLinear(d, d),
                      random.MakeLinear(d, d),
                      random.MakeLinear(d, d),
                      random.MakeLinear(d, d),
                      random.MakeNorm(d),
                      random.MakeLinear(config.mlp_size, d),
                      random.MakeLinear(d, config.mlp_size)};
    }
    if (config.projection_dim > 0) {
      weights.projection.weight = random.Normal({config.projection_dim, d}, RandomTensors::Scale(d));
    }
  }

  const model::VisionModel& get() const { return model_; }
  /// Gives the model away; the weights die with it.
  model::VisionModel Take() { return std::move(model_); }

 private:
  model::VisionModel model_;
};

/// A text tower with random f32 weights in memory.
inline model::TextModel RandomText(const model::TextConfig& config, uint32_t seed = 2) {
  RandomTensors random(seed);
  model::TextModel text;
  text.config = config;
  text.storage = text.token_storage = random.storage();
  const int64_t d = config.hidden_size;
  text.weights.token_embedding = random.Normal({config.vocabulary_size, d}, 0.5F);
  text.weights.position = random.Normal({config.max_tokens, d}, 0.3F);
  for (int i = 0; i < config.layers; ++i) text.weights.blocks.push_back(random.MakeBlock(config));
  text.weights.final_norm = random.MakeNorm(d);
  if (config.projection_dim > 0) {
    text.weights.projection = random.MakeLinear(config.projection_dim, d);
    if (!config.has_projection_bias) text.weights.projection.bias = {};
  }
  return text;
}

inline model::VisionConfig TinyConfig() {
  model::VisionConfig config;
  config.architecture = "CLIPModel";
  config.image_size = 32;
  config.patch_size = 8;
  config.hidden_size = 128;
  config.layers = 3;
  config.heads = 2;
  config.mlp_size = 256;
  config.projection_dim = 64;
  return config;
}

inline model::VisionConfig B32Config() {
  model::VisionConfig config;
  config.architecture = "CLIPModel";
  config.image_size = 224;
  config.patch_size = 32;
  config.hidden_size = 768;
  config.layers = 12;
  config.heads = 12;
  config.mlp_size = 3072;
  config.projection_dim = 512;
  return config;
}

/// Random images of one size: smooth gradients with noise, so that they differ as photos do.
class RandomImages {
 public:
  RandomImages(int count, int size, uint32_t seed = 7) {
    std::mt19937 random(seed);
    std::uniform_real_distribution<float> unit(0, 1);
    for (int i = 0; i < count; ++i) {
      pixels_.emplace_back(static_cast<size_t>(size * size * 3));
      const float fx = 8 * unit(random);
      const float fy = 8 * unit(random);
      const float base = 255 * unit(random);
      for (int at = 0; at < size * size * 3; ++at) {
        const float x = static_cast<float>(at / 3 % size) / static_cast<float>(size);
        const float y = static_cast<float>(at / 3 / size) / static_cast<float>(size);
        const float v = base + 80 * std::sin(fx * x + static_cast<float>(at % 3)) * std::cos(fy * y) +
                        60 * (unit(random) - 0.5F);
        pixels_.back()[static_cast<size_t>(at)] = static_cast<uint8_t>(std::fmin(255.0F, std::fmax(0.0F, v)));
      }
    }
    for (const auto& image : pixels_) slots_.push_back({image.data(), PixelSlot::kHost});
  }
  const std::vector<PixelSlot>& slots() const { return slots_; }
  const std::vector<uint8_t>& pixels(size_t i) const { return pixels_[i]; }

 private:
  std::vector<std::vector<uint8_t>> pixels_;
  std::vector<PixelSlot> slots_;
};

/// How far rows of `dim` floats are apart, as unit vectors.
struct Distance {
  double max_abs = 0;
  double min_cosine = 1;
};
inline Distance Compare(const std::vector<float>& a, const std::vector<float>& b, size_t dim) {
  Distance distance;
  for (size_t i = 0; i < a.size(); i += dim) {
    double aa = 0;
    double bb = 0;
    double ab = 0;
    for (size_t j = i; j < i + dim; ++j) {
      aa += static_cast<double>(a[j]) * static_cast<double>(a[j]);
      bb += static_cast<double>(b[j]) * static_cast<double>(b[j]);
      ab += static_cast<double>(a[j]) * static_cast<double>(b[j]);
    }
    for (size_t j = i; j < i + dim; ++j) {
      const double apart =
          static_cast<double>(a[j]) / std::sqrt(aa) - static_cast<double>(b[j]) / std::sqrt(bb);
      // A NaN is as far as can be.
      distance.max_abs = apart == apart ? std::max(distance.max_abs, std::abs(apart)) : HUGE_VAL;
    }
    distance.min_cosine = std::min(distance.min_cosine, ab / std::sqrt(aa * bb));
  }
  return distance;
}

inline bool HasBf16() {
  const Machine machine = ProbeMachine();
  return (machine.has_avx512_bf16 || machine.has_amx_bf16) && std::getenv("ONEDNN_MAX_CPU_ISA") == nullptr;
}

inline PixelNormalization ClipNormalization() {
  return {1.0F / 255.0F, {0.48145466F, 0.4578275F, 0.40821073F}, {0.26862954F, 0.26130258F, 0.27577711F}};
}

}  // namespace photovec::encode::test
