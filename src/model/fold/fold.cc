// SPDX-License-Identifier: MIT
#include "model/fold/fold.h"

#include <cmath>
#include <numbers>
#include <utility>

#include "base/tensor_view.h"

namespace photovec::model {
namespace {

using Floats = std::vector<float>;

Floats BiasOf(const TensorView& bias, size_t n) { return bias.present() ? bias.ToFloats() : Floats(n, 0.0F); }

// weight [N, K], bias [N] for x such that norm.gamma * x + norm.beta was the input: W' = W diag(gamma),
// b' = b + W beta.
void FoldNorm(const Norm& norm, Floats& weight, Floats& bias) {
  const Floats gamma = norm.gamma.ToFloats();
  const Floats beta = norm.beta.ToFloats();
  const size_t depth = gamma.size();
  for (size_t n = 0; n < bias.size(); ++n) {
    float* row = weight.data() + n * depth;
    double sum = bias[n];
    for (size_t k = 0; k < depth; ++k) {
      sum += static_cast<double>(row[k]) * static_cast<double>(beta[k]);
      row[k] *= gamma[k];
    }
    bias[n] = static_cast<float>(sum);
  }
}

FoldedLinear Plain(const Linear& linear) {
  FoldedLinear folded;
  folded.weight = linear.weight.ToFloats();
  folded.bias = BiasOf(linear.bias, static_cast<size_t>(linear.weight.shape[0]));
  return folded;
}

void ScaleRows(const TensorView& scale, FoldedLinear& linear) {
  if (!scale.present()) return;
  const Floats by = scale.ToFloats();
  const size_t depth = linear.weight.size() / by.size();
  for (size_t n = 0; n < by.size(); ++n) {
    for (size_t k = 0; k < depth; ++k) linear.weight[n * depth + k] *= by[n];
    linear.bias[n] *= by[n];
  }
}

void AddProduct(const Floats& weight, const Floats& x, Floats& bias) {
  for (size_t n = 0; n < bias.size(); ++n) {
    double sum = bias[n];
    for (size_t k = 0; k < x.size(); ++k) {
      sum += static_cast<double>(weight[n * x.size() + k]) * static_cast<double>(x[k]);
    }
    bias[n] = static_cast<float>(sum);
  }
}

// Row groups of HD from each of `parts` in turn, head by head.
Floats ByHead(const std::vector<const Floats*>& parts, const TransformerConfig& config) {
  const auto group = static_cast<size_t>(config.head_dim()) * static_cast<size_t>(config.hidden_size);
  Floats out;
  out.reserve(parts.size() * parts[0]->size());
  for (size_t head = 0; head < static_cast<size_t>(config.heads); ++head) {
    for (const Floats* part : parts) {
      const float* from = part->data() + head * group;
      out.insert(out.end(), from, from + group);
    }
  }
  return out;
}

// What takes norm's input, not its output; an absent norm changes nothing.
FoldedLinear Normed(const Norm& norm, const Linear& linear) {
  FoldedLinear folded = Plain(linear);
  if (norm.gamma.present()) FoldNorm(norm, folded.weight, folded.bias);
  return folded;
}

// Softmax is taken to base 2.
void ScaleQuery(const TransformerConfig& config, Floats& values) {
  const auto scale =
      static_cast<float>(std::numbers::log2e / std::sqrt(static_cast<double>(config.head_dim())));
  for (float& value : values) value *= scale;
}

Floats NormedRow(Floats row, const Norm& norm, float eps) {
  double mean = 0;
  double variance = 0;
  for (const float v : row) mean += static_cast<double>(v);
  mean /= static_cast<double>(row.size());
  for (const float v : row) variance += (static_cast<double>(v) - mean) * (static_cast<double>(v) - mean);
  variance /= static_cast<double>(row.size());
  const double scale = 1.0 / std::sqrt(variance + static_cast<double>(eps));
  const Floats gamma = norm.gamma.ToFloats();
  const Floats beta = norm.beta.ToFloats();
  for (size_t i = 0; i < row.size(); ++i) {
    row[i] = static_cast<float>((static_cast<double>(row[i]) - mean) * scale * static_cast<double>(gamma[i]) +
                                static_cast<double>(beta[i]));
  }
  return row;
}

// [patches, D]
Floats PatchPositions(const VisionModel& model) {
  const VisionConfig& config = model.config;
  const auto dim = static_cast<size_t>(config.hidden_size);
  if (config.positions == Positions::kRotary) return Floats(static_cast<size_t>(config.patches()) * dim);
  Floats position = model.weights.position.ToFloats();
  if (config.has_class_token) position.erase(position.begin(), position.begin() + config.hidden_size);
  return position;
}

// [prefix_tokens, D], pre-norm applied. Registers have no position: transformers
// modeling_dinov2_with_registers.py, Dinov2WithRegistersEmbeddings.forward.
Floats PrefixRows(const VisionModel& model) {
  const VisionConfig& config = model.config;
  const auto dim = static_cast<size_t>(config.hidden_size);
  Floats rows;
  if (config.has_class_token) {
    rows = model.weights.class_token.ToFloats();
    if (config.positions == Positions::kLearned) {
      Floats position(dim);
      model.weights.position.CopyRowTo(0, position);
      for (size_t i = 0; i < dim; ++i) rows[i] += position[i];
    }
  }
  if (config.register_tokens > 0) {
    const Floats registers = model.weights.registers.ToFloats();
    rows.insert(rows.end(), registers.begin(), registers.end());
  }
  if (!config.has_pre_norm) return rows;
  Floats normed;
  for (size_t at = 0; at < rows.size(); at += dim) {
    const auto row = rows.begin() + static_cast<std::ptrdiff_t>(at);
    const Floats one =
        NormedRow(Floats(row, row + config.hidden_size), model.weights.pre_norm, config.layer_norm_eps);
    normed.insert(normed.end(), one.begin(), one.end());
  }
  return normed;
}

// Products of `layers` whole blocks over `rows` rows.
double BlockProducts(const TransformerConfig& config, double rows, int layers) {
  const double d = config.hidden_size;
  const double f = config.mlp_size;
  return layers * 2.0 * rows * (4 * d * d + (config.gated_mlp ? 3 : 2) * d * f);
}

// Of a block where one row asks: keys and values of all rows, the rest for that row.
double TailProducts(const TransformerConfig& config, double rows, bool query) {
  const double d = config.hidden_size;
  const double f = config.mlp_size;
  const int mlp = query && config.gated_mlp ? 3 : 2;  // an attention pool's MLP is never gated
  return 2.0 * rows * 2 * d * d + 2.0 * ((query ? 2 : 1) * d * d + mlp * d * f);
}

// As a matrix product will take it.
float Rounded(double value, Element element) {
  const auto single = static_cast<float>(value);
  switch (element) {
    case Element::kBF16:
      return BFloat16ToFloat(FloatToBFloat16(single));
    case Element::kF16:
      return HalfToFloat(FloatToHalf(single));
    case Element::kF32:
      break;
  }
  return single;
}

}  // namespace

FoldedPatch FoldPatch(const model::VisionModel& model, const PixelNormalization& normalization,
                      Element element) {
  const VisionConfig& config = model.config;
  const auto dim = static_cast<size_t>(config.hidden_size);
  const auto patch = static_cast<size_t>(config.patch_size);
  const size_t area = patch * patch;
  const Floats source = model.weights.patch.ToFloats();  // [D, 3, P, P]
  FoldedPatch folded;
  folded.weight.resize(source.size());
  if (element == Element::kF16) folded.pixel_scale = 1.0F / 256;
  Floats constant = BiasOf(model.weights.patch_bias, dim);
  for (size_t n = 0; n < dim; ++n) {
    double shift = 0;
    for (size_t c = 0; c < 3; ++c) {
      const auto pixel_scale = static_cast<double>(folded.pixel_scale);
      const double scale = static_cast<double>(normalization.rescale) /
                           static_cast<double>(normalization.std[c]) / pixel_scale;
      const double middle = static_cast<double>(normalization.mean[c]) /
                            static_cast<double>(normalization.rescale) * pixel_scale;
      // Error diffusion: what rounding took from one weight goes to its neighbour, so that sums over areas
      // stay exact. Photos are smooth, and one brightness shifts all patches alike, so plain rounding errors
      // add up over a photo while its content averages out: this alone halves the error of bf16 vectors.
      double carry = 0;
      for (size_t at = 0; at < area; ++at) {
        const double exact = static_cast<double>(source[(n * 3 + c) * area + at]) * scale;
        const float w = Rounded(exact + carry, element);
        if (element != Element::kF32) carry += exact - static_cast<double>(w);
        folded.weight[n * 3 * area + at * 3 + c] = w;
        shift += static_cast<double>(w) * middle;
      }
    }
    constant[n] = static_cast<float>(static_cast<double>(constant[n]) - shift);
  }
  folded.position = PatchPositions(model);
  for (size_t i = 0; i < folded.position.size(); ++i) folded.position[i] += constant[i % dim];
  folded.prefix_rows = PrefixRows(model);
  return folded;
}

FoldedBlock FoldBlock(const TransformerConfig& config, const model::Block& block, BlockFold how) {
  FoldedLinear q = Normed(block.norm1, block.q);
  FoldedLinear k = Normed(block.norm1, block.k);
  FoldedLinear v = Normed(block.norm1, block.v);
  ScaleQuery(config, q.weight);
  ScaleQuery(config, q.bias);

  FoldedBlock folded;
  folded.out = Plain(block.out);
  AddProduct(folded.out.weight, v.bias, folded.out.bias);
  ScaleRows(block.layer_scale1, folded.out);
  folded.fc1 = Normed(block.norm2, block.fc1);
  if (config.gated_mlp) folded.up = Normed(block.norm2, block.up);
  folded.fc2 = Plain(block.fc2);
  ScaleRows(block.layer_scale2, folded.fc2);
  if (how.split_query) {
    folded.qkv_weight = ByHead({&k.weight, &v.weight}, config);
    folded.q_weight = std::move(q.weight);
  } else {
    folded.qkv_weight = ByHead({&q.weight, &k.weight, &v.weight}, config);
  }
  folded.q_bias = std::move(q.bias);
  if (how.rotary) folded.k_bias = std::move(k.bias);
  return folded;
}

FoldedBlock FoldPool(const model::VisionModel& model) {
  const model::AttentionPool& pool = model.weights.pool;
  const model::Norm& before = model.weights.post_norm;
  const FoldedLinear k = Normed(before, pool.k);
  const FoldedLinear v = Normed(before, pool.v);
  FoldedBlock folded;
  folded.qkv_weight = ByHead({&k.weight, &v.weight}, model.config);
  const FoldedLinear q = Plain(pool.q);
  folded.q_bias = q.bias;
  AddProduct(q.weight, pool.probe.ToFloats(), folded.q_bias);
  ScaleQuery(model.config, folded.q_bias);
  folded.out = Plain(pool.out);
  AddProduct(folded.out.weight, v.bias, folded.out.bias);
  folded.fc1 = Normed(pool.norm, pool.fc1);
  folded.fc2 = Plain(pool.fc2);
  return folded;
}

FoldedLinear FoldProjection(const model::VisionModel& model) {
  const bool in_pool = model.config.pooling == Pooling::kAttention;
  return in_pool ? Plain(model.weights.projection)
                 : Normed(model.weights.post_norm, model.weights.projection);
}

FoldedLinear FoldProjection(const model::TextModel& model) {
  return Normed(model.weights.final_norm, model.weights.projection);
}

RotaryTable MakeRotaryTable(const VisionConfig& config) {
  RotaryTable table;
  if (config.positions != Positions::kRotary) return table;
  const int grid = config.grid();
  const int quarter = config.head_dim() / 4;
  for (int patch = 0; patch < config.patches(); ++patch) {
    for (const int place : {patch / grid, patch % grid}) {  // y, then x
      const double center = 2.0 * (place + 0.5) / grid - 1.0;
      for (int i = 0; i < quarter; ++i) {
        const double angle = 2.0 * std::numbers::pi * center *
                             std::pow(static_cast<double>(config.rope_theta), -4.0 * i / config.head_dim());
        table.cos.push_back(static_cast<float>(std::cos(angle)));
        table.sin.push_back(static_cast<float>(std::sin(angle)));
      }
    }
  }
  return table;
}

double ProductFlops(const VisionConfig& config) {
  const double d = config.hidden_size;
  const double patch = 2.0 * config.patches() * 3 * config.patch_size * config.patch_size * d;
  const bool pool = config.pooling == Pooling::kAttention;
  double blocks = BlockProducts(config, config.tokens(), config.layers - (pool ? 0 : 1)) +
                  TailProducts(config, config.tokens(), !pool);
  return patch + blocks + 2.0 * d * config.projection_dim;
}

double ExecutedFlops(const VisionConfig& config) {
  const double t = config.tokens();
  const double d = config.hidden_size;
  const int whole = config.layers - (config.pooling == Pooling::kAttention ? 0 : 1);
  return ProductFlops(config) + whole * 4.0 * t * t * d + 4.0 * t * d;
}

double ProductFlops(const TextConfig& config, int tokens) {
  return BlockProducts(config, tokens, config.layers - 1) + TailProducts(config, tokens, true) +
         2.0 * config.hidden_size * config.projection_dim;
}

double ExecutedFlops(const TextConfig& config, int tokens) {
  const double t = tokens;
  const double seen = config.causal ? (t + 1) / 2 : t;
  return ProductFlops(config, tokens) + 4.0 * config.hidden_size * ((config.layers - 1) * t * seen + t);
}

}  // namespace photovec::model
