// SPDX-License-Identifier: MIT
#include "model/random/tensors.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>

#include "model/families/clip.h"
#include "model/families/dino.h"
#include "model/families/siglip.h"
#include "model/random/source.h"

namespace photovec::model {
namespace {

// The numbers below were chosen on 228 crops of 38 photos, so that for every preset (docs/models.md):
// different photos have cosines spread over about -0.2 to 0.95, a resized and recompressed copy ranks first,
// bf16 stays well within its bound, and a wrong GELU or a dropped layer is far outside of it.
// Outlier channels hold this many times the variance of all others together: about 20 times the usual size in
// a model of width 768, which has 3 of them.
constexpr double kOutlierEnergy = 1.5;
constexpr double kOutlierGain = 0.05;  // how far layernorm gains turn them down again
constexpr double kPatchGain = 0.6;     // response of a filter of single pixels
constexpr double kPositionStd = 0.2;   // beside patch responses of about 0.4
constexpr double kClassStd = 3e-3;     // so small that the pre-norm's epsilon keeps it from dominating
constexpr double kQueryKeyStd = 0.7;   // attention looks at 20 to 45 of 50 tokens; sharper is chaotic
constexpr double kValueStd = 1.0;
constexpr double kAttentionOutStd = 0.5;
constexpr double kFc1Std = 0.8;
constexpr double kFc1BiasMean = -1.5;  // most units are off, as in trained MLPs: there GELUs differ most
constexpr double kFc1BiasStd = 0.3;
constexpr double kFc2Std = 1.6;
constexpr double kBiasStd = 0.05;
constexpr double kNormSpread = 0.3;
constexpr double kBarePatchGain =
    1.5;  // without a pre-norm the patches themselves set the scale of the stream
constexpr double kBarePositionStd = 0.5;
constexpr double kLayerScale = 0.3;  // what it takes away, the products before it give
constexpr double kPoolQueryStd = 2.0;
constexpr double kTokenStd = 1.0;
constexpr double kTokenPositionStd = 0.1;
constexpr double kQuietToken = 0.05;        // of tokens that all texts share
constexpr float kLogitScale = 4.6052F;      // ln 100, as CLIP's
constexpr float kSiglipLogitBias = -16.0F;  // about what SigLIP's is
constexpr double kLayersTuned = 12.0;  // others add more or less per layer, so that the sum stays the same

bool Contains(const std::vector<int64_t>& channels, int64_t channel) {
  return std::ranges::find(channels, channel) != channels.end();
}

// Captures by value only: tensors outlive the recipe.
using Fill = std::function<void(int64_t, std::span<float>)>;

/// What both towers have in common.
class Recipe {
 public:
  /// \param tower names the streams of numbers that no tensor owns.
  Recipe(const TransformerConfig& config, uint64_t seed, const std::string& tower)
      : config_(config), seed_(seed) {
    const int d = config.hidden_size;
    const RandomSource pick(seed, tower + "outlier channels");
    const auto wanted = static_cast<size_t>(std::min(std::max(d / 200, 2), d));
    for (uint64_t i = 0; outliers_.size() < wanted; ++i) {
      const auto channel = static_cast<int64_t>(pick.Bits(i) % static_cast<uint64_t>(d));
      if (!Contains(outliers_, channel)) outliers_.push_back(channel);
    }
    // The outliers swell each row's variance, so layernorm shrinks all else; the gains make up for it.
    norm_gain_ = std::sqrt(1.0 + kOutlierEnergy);
    outlier_ = std::sqrt(kOutlierEnergy * d / static_cast<double>(outliers_.size()));
    depth_gain_ = std::sqrt(kLayersTuned / config.layers) / (config.has_layer_scale ? kLayerScale : 1.0);
  }

 protected:
  void Add(std::string name, std::vector<int64_t> shape, Fill fill) {
    tensors_.push_back({std::move(name), std::move(shape), std::move(fill), 0});
  }

  // mean + std * t, value by value.
  void AddWeights(const std::string& name, std::vector<int64_t> shape, double std, double mean = 0.0) {
    const RandomSource source(seed_, name);
    Add(name, std::move(shape), [=](int64_t r, std::span<float> row) {
      const uint64_t first = static_cast<uint64_t>(r) * row.size();
      for (size_t i = 0; i < row.size(); ++i) {
        row[i] = static_cast<float>(mean + std * source.HeavyTailed(first + i));
      }
    });
  }

  // Gains spread around `gain` by factors, as (1 + v) upwards and 1 / (1 + v) downwards; outlier channels are
  // turned down.
  void AddNorm(const std::string& stem, double gain, double bias_std) {
    const RandomSource source(seed_, stem + ".weight");
    Add(stem + ".weight", {config_.hidden_size}, [=, outliers = outliers_](int64_t r, std::span<float> row) {
      const double v = kNormSpread * std::clamp(source.HeavyTailed(static_cast<uint64_t>(r)), -4.0, 4.0);
      const double spread = v >= 0 ? 1.0 + v : 1.0 / (1.0 - v);
      row[0] = static_cast<float>(gain * spread * (Contains(outliers, r) ? kOutlierGain : 1.0));
    });
    AddWeights(stem + ".bias", {config_.hidden_size}, bias_std);
  }

  void AddBlocks(const std::string& prefix, const BlockNames& names) {
    for (int i = 0; i < config_.layers; ++i) {
      AddBlock(prefix + std::string(names.stem) + std::to_string(i) + ".", names);
    }
  }

  void AddBlock(const std::string& stem, const BlockNames& names) {
    const int64_t d = config_.hidden_size;
    const double per_d = 1.0 / std::sqrt(static_cast<double>(d));
    const auto at = [&](std::string_view name) { return stem + std::string(name); };
    AddNorm(at(names.norm1), norm_gain_, 2 * kBiasStd);
    AddLinear(at(names.q), d, d, kQueryKeyStd * per_d);
    if (config_.has_key_bias) {
      AddLinear(at(names.k), d, d, kQueryKeyStd * per_d);
    } else {
      AddWeights(at(names.k) + ".weight", {d, d}, kQueryKeyStd * per_d);
    }
    AddLinear(at(names.v), d, d, kValueStd * per_d);
    AddLinear(at(names.out), d, d, kAttentionOutStd * depth_gain_ * per_d);
    if (config_.has_layer_scale) AddLayerScale(at(names.layer_scale1));
    AddNorm(at(names.norm2), norm_gain_, 2 * kBiasStd);
    AddMlp(at(names.fc1), at(names.fc2));
    if (config_.has_layer_scale) AddLayerScale(at(names.layer_scale2));
  }

  void AddMlp(const std::string& fc1, const std::string& fc2) {
    const int64_t d = config_.hidden_size;
    const int64_t f = config_.mlp_size;
    AddWeights(fc1 + ".weight", {f, d}, kFc1Std / std::sqrt(static_cast<double>(d)));
    AddWeights(fc1 + ".bias", {f}, kFc1BiasStd, kFc1BiasMean);
    Add(fc2 + ".weight", {d, f}, CentredRows(fc2, f));
    AddWeights(fc2 + ".bias", {d}, kBiasStd);
  }

  void AddLayerScale(const std::string& name) {
    const RandomSource source(seed_, name);
    Add(name, {config_.hidden_size}, [=](int64_t r, std::span<float> row) {
      const double v = kNormSpread * std::clamp(source.HeavyTailed(static_cast<uint64_t>(r)), -4.0, 4.0);
      row[0] = static_cast<float>(kLayerScale * (v >= 0 ? 1.0 + v : 1.0 / (1.0 - v)));
    });
  }

  // The outliers as constants, in every row that enters a stream without a pre-norm.
  Fill WithOutliers(Fill fill) const {
    std::vector<float> jumps(static_cast<size_t>(config_.hidden_size));
    const RandomSource signs(seed_, "outlier signs");
    for (const int64_t channel : outliers_) {
      const bool up = signs.Bits(static_cast<uint64_t>(channel)) % 2 == 0;
      jumps[static_cast<size_t>(channel)] = static_cast<float>(up ? outlier_ : -outlier_);
    }
    return [fill = std::move(fill), jumps = std::move(jumps)](int64_t r, std::span<float> row) {
      fill(r, row);
      if (row.size() == 1) {  // a vector: its rows are single numbers
        row[0] += jumps[static_cast<size_t>(r)];
        return;
      }
      for (size_t c = 0; c < row.size(); ++c) row[c] += jumps[c];
    };
  }

  Fill Weights(const std::string& name, double std) const {
    const RandomSource source(seed_, name);
    return [=](int64_t r, std::span<float> row) {
      const uint64_t first = static_cast<uint64_t>(r) * row.size();
      for (size_t i = 0; i < row.size(); ++i)
        row[i] = static_cast<float>(std * source.HeavyTailed(first + i));
    };
  }

  void AddLinear(const std::string& stem, int64_t rows, int64_t columns, double std) {
    AddWeights(stem + ".weight", {rows, columns}, std);
    AddWeights(stem + ".bias", {rows}, kBiasStd);
  }

  // GELU's outputs have a common mean; rows that sum to 0 keep it from pushing every image the same way.
  Fill CentredRows(const std::string& name, int64_t columns) const {
    const RandomSource source(seed_, name);
    const double std = kFc2Std * depth_gain_ / std::sqrt(static_cast<double>(columns));
    return [=](int64_t r, std::span<float> row) {
      const uint64_t first = static_cast<uint64_t>(r) * row.size();
      double sum = 0.0;
      for (size_t i = 0; i < row.size(); ++i) {
        row[i] = static_cast<float>(std * source.HeavyTailed(first + i));
        sum += static_cast<double>(row[i]);
      }
      const auto mean = static_cast<float>(sum / static_cast<double>(row.size()));
      for (float& value : row) value -= mean;
    };
  }

  const TransformerConfig config_;
  const uint64_t seed_;
  std::vector<int64_t> outliers_;
  double outlier_ = 0.0;
  double norm_gain_ = 1.0;
  double depth_gain_ = 1.0;
  std::vector<RandomTensor> tensors_;
};

class ImageRecipe : public Recipe {
 public:
  ImageRecipe(const VisionConfig& config, uint64_t seed) : Recipe(config, seed, ""), vision_(config) {}

  std::vector<RandomTensor> Build(const WeightNames& names) {
    const int64_t d = config_.hidden_size;
    const int64_t p = vision_.patch_size;
    const std::string prefix(names.prefix);
    const auto at = [&](std::string_view name) { return prefix + std::string(name); };
    const bool bare = !vision_.has_pre_norm;
    const int ones = names.registers.empty() ? 0 : 1;  // DINO's files have the batch's extent
    if (vision_.has_class_token) AddRows(at(names.class_token), {d}, bare, 2 * ones);
    if (vision_.register_tokens > 0) AddRows(at(names.registers), {vision_.register_tokens, d}, bare, ones);
    const std::string patch = at(names.patch) + ".weight";
    Add(patch, {d, 3, p, p}, PatchFilters(patch));
    if (vision_.has_patch_bias) {
      const std::string bias = at(names.patch) + ".bias";
      Add(bias, {d}, WithOutliers(Weights(bias, kBiasStd)));
    }
    if (vision_.positions == model::Positions::kLearned) {
      const int64_t rows = vision_.patches() + (vision_.has_class_token ? 1 : 0);
      Add(at(names.position), {rows, d}, PatchPositions(at(names.position)));
      tensors_.back().leading_ones = ones;
    }
    if (!bare) AddPreNorm(at(names.pre_norm));
    AddBlocks(prefix, names.block);
    const bool pooled = vision_.pooling == Pooling::kAttention;
    AddNorm(at(names.post_norm), pooled ? norm_gain_ : 1.0, kBiasStd);
    if (pooled) AddPool(prefix, names.pool);
    if (vision_.projection_dim > 0) {
      AddWeights(std::string(names.projection), {vision_.projection_dim, d}, 1.0 / std::sqrt(d));
    }
    return std::move(tensors_);
  }

 private:
  // Tokens that are the same in every image: small, so that what the photo shows outweighs them.
  void AddRows(const std::string& name, std::vector<int64_t> shape, bool bare, int leading_ones) {
    const Fill fill = Weights(name, kClassStd);
    Add(name, std::move(shape), bare ? WithOutliers(fill) : fill);
    tensors_.back().leading_ones = leading_ones;
  }

  void AddPool(const std::string& prefix, const PoolNames& names) {
    const int64_t d = config_.hidden_size;
    const double per_d = 1.0 / std::sqrt(static_cast<double>(d));
    const auto at = [&](std::string_view name) { return prefix + std::string(name); };
    AddWeights(at(names.probe), {1, 1, d}, 1.0);
    const Fill weights = Weights(at(names.qkv_weight), per_d);
    Add(at(names.qkv_weight), {3 * d, d}, [=](int64_t r, std::span<float> row) {
      weights(r, row);
      const double gain = r < d ? kPoolQueryStd : r < 2 * d ? kQueryKeyStd : kValueStd;
      for (float& value : row) value = static_cast<float>(gain * static_cast<double>(value));
    });
    AddWeights(at(names.qkv_bias), {3 * d}, kBiasStd);
    AddLinear(at(names.out), d, d, per_d);
    AddNorm(at(names.norm), 1.0, 2 * kBiasStd);
    AddMlp(at(names.fc1), at(names.fc2));
  }

  // The outliers enter the residual stream here, as constants: what trained transformers do ("massive
  // activations", arXiv:2402.17762).
  void AddPreNorm(const std::string& stem) {
    const RandomSource source(seed_, stem);
    Add(stem + ".weight", {config_.hidden_size}, [=](int64_t r, std::span<float> row) {
      const double v = 0.2 * std::clamp(source.HeavyTailed(static_cast<uint64_t>(r)), -4.0, 4.0);
      row[0] = static_cast<float>(v >= 0 ? 1.0 + v : 1.0 / (1.0 - v));
    });
    const RandomSource bias(seed_, stem + ".bias");
    Add(stem + ".bias", {config_.hidden_size},
        [=, outliers = outliers_, outlier = outlier_](int64_t r, std::span<float> row) {
          const double t = bias.HeavyTailed(static_cast<uint64_t>(r));
          const double jump = t >= 0 ? outlier : -outlier;
          row[0] = static_cast<float>(kBiasStd * t + (Contains(outliers, r) ? jump : 0.0));
        });
  }

  // Patch positions sum to 0 per channel, so that averaging attention does not collect them. The class
  // token's row is as small as the class token itself.
  Fill PatchPositions(const std::string& name) const {
    const RandomSource source(seed_, name);
    const uint64_t first = vision_.has_class_token ? 1 : 0;
    const double std = vision_.has_pre_norm ? kPositionStd : kBarePositionStd;
    const auto patches = static_cast<uint64_t>(vision_.patches());
    const auto width = static_cast<uint64_t>(config_.hidden_size);
    std::vector<float> means(width);
    for (uint64_t c = 0; c < width; ++c) {
      double sum = 0.0;
      for (uint64_t p = first; p < first + patches; ++p) sum += source.HeavyTailed(p * width + c);
      means[c] = static_cast<float>(sum / static_cast<double>(patches));
    }
    return [=, means = std::move(means)](int64_t r, std::span<float> row) {
      for (uint64_t c = 0; c < width; ++c) {
        const double t = source.HeavyTailed(static_cast<uint64_t>(r) * width + c);
        row[c] = static_cast<float>(
            r < static_cast<int64_t>(first) ? kClassStd * t : std * (t - static_cast<double>(means[c])));
      }
    };
  }

  // Filters of several coarseness, like the first layer of a trained model: noise in squares of 1 to 8
  // pixels, three of four without a mean (edges and textures), the fourth with one (colour). Coarse filters
  // get a smaller gain, because photos have more energy there.
  Fill PatchFilters(const std::string& name) const {
    const RandomSource source(seed_, name);
    const int p = vision_.patch_size;
    const double gain_of_ones = vision_.has_pre_norm ? kPatchGain : kBarePatchGain;
    std::vector<int> squares;
    for (const int square : {1, 2, 4, 7, 8}) {
      if (p % square == 0) squares.push_back(square);
    }
    return [=](int64_t r, std::span<float> row) {
      const int square = squares[static_cast<size_t>(r) % squares.size()];
      const int side = p / square;
      const bool has_mean = r % 4 == 3;
      double norm = 0.0;
      for (int channel = 0; channel < 3; ++channel) {
        const auto noise = [&](int y, int x) {
          return source.HeavyTailed(static_cast<uint64_t>(r) * row.size() +
                                    static_cast<uint64_t>((channel * side + y) * side + x));
        };
        double mean = 0.0;
        for (int y = 0; y < side && !has_mean; ++y) {
          for (int x = 0; x < side; ++x) mean += noise(y, x) / (side * side);
        }
        for (int y = 0; y < p; ++y) {
          for (int x = 0; x < p; ++x) {
            const double value = noise(y / square, x / square) - mean;
            norm += value * value;
            row[(static_cast<size_t>(channel) * static_cast<size_t>(p) + static_cast<size_t>(y)) *
                    static_cast<size_t>(p) +
                static_cast<size_t>(x)] = static_cast<float>(value);
          }
        }
      }
      const auto gain = static_cast<float>(gain_of_ones / square / std::sqrt(norm + 1e-12));
      for (float& value : row) value *= gain;
    };
  }

  const VisionConfig vision_;
};

class TextRecipe : public Recipe {
 public:
  TextRecipe(const TextConfig& config, uint64_t seed) : Recipe(config, seed, "text "), text_(config) {}

  std::vector<RandomTensor> Build(const TextNames& names) {
    const int64_t d = config_.hidden_size;
    const std::string prefix(names.prefix);
    const auto at = [&](std::string_view name) { return prefix + std::string(name); };
    Add(at(names.token_embedding), {text_.vocabulary_size, d}, TokenRows(at(names.token_embedding)));
    Add(at(names.position), {text_.max_tokens, d},
        WithOutliers(Weights(at(names.position), kTokenPositionStd)));
    AddBlocks(prefix, names.block);
    AddNorm(at(names.final_norm), 1.0, kBiasStd);
    AddWeights(std::string(names.projection), {text_.projection_dim, d}, 1.0 / std::sqrt(d));
    if (text_.has_projection_bias)
      AddWeights(std::string(names.projection_bias), {text_.projection_dim}, kBiasStd);
    AddNumber("logit_scale", kLogitScale);
    if (!text_.causal) AddNumber("logit_bias", kSiglipLogitBias);
    return std::move(tensors_);
  }

 private:
  // The row that becomes the vector is that of a token which ends or fills every text: CLIP's last one,
  // SigLIP's first two. They are small, so that what stands before them outweighs them.
  Fill TokenRows(const std::string& name) const {
    return [fill = Weights(name, kTokenStd), causal = text_.causal, last = text_.vocabulary_size - 1](
               int64_t r, std::span<float> row) {
      fill(r, row);
      if (causal ? r != last : r > 1) return;
      for (float& value : row) value *= static_cast<float>(kQuietToken);
    };
  }

  // transformers has CLIP's as a scalar and SigLIP's as vectors of one.
  void AddNumber(const std::string& name, float value) {
    Add(name, text_.causal ? std::vector<int64_t>{} : std::vector<int64_t>{1},
        [value](int64_t, std::span<float> row) { row[0] = value; });
  }

  const TextConfig text_;
};

const WeightNames& NamesOf(const VisionConfig& config) {
  if (config.architecture.starts_with("Siglip")) return kSiglipNames;
  if (config.architecture.starts_with("Dinov2")) return kDinoV2HubNames;
  if (config.architecture.starts_with("DINOv3")) return kDinoV3Names;
  return kClipNames;
}

}  // namespace

std::vector<RandomTensor> RandomTensors(const VisionConfig& config, uint64_t seed) {
  return ImageRecipe(config, seed).Build(NamesOf(config));
}

std::vector<RandomTensor> RandomTensors(const TextConfig& config, uint64_t seed) {
  return TextRecipe(config, seed).Build(config.causal ? kClipTextNames : kSiglipTextNames);
}

}  // namespace photovec::model
