// SPDX-License-Identifier: MIT
#include "model/fold/fold.h"

#include <cmath>
#include <cstring>

#include "base/tensor_view.h"

namespace photovec::model {
namespace {

using model::Linear;
using model::Norm;
using model::VisionConfig;
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
Floats ByHead(const std::vector<const Floats*>& parts, const VisionConfig& config) {
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
  const Floats position = model.weights.position.ToFloats();
  const size_t class_rows = config.has_class_token ? 1 : 0;
  folded.position.assign(position.begin() + static_cast<std::ptrdiff_t>(class_rows * dim), position.end());
  for (size_t i = 0; i < folded.position.size(); ++i) folded.position[i] += constant[i % dim];
  if (config.has_class_token) {
    folded.class_row = model.weights.class_token.ToFloats();
    for (size_t i = 0; i < dim; ++i) folded.class_row[i] += position[i];
    if (config.has_pre_norm) {
      folded.class_row =
          NormedRow(std::move(folded.class_row), model.weights.pre_norm, config.layer_norm_eps);
    }
  }
  return folded;
}

FoldedBlock FoldBlock(const VisionConfig& config, const model::Block& block, bool split_query) {
  FoldedLinear q = Plain(block.q);
  FoldedLinear k = Plain(block.k);
  FoldedLinear v = Plain(block.v);
  FoldNorm(block.norm1, q.weight, q.bias);
  FoldNorm(block.norm1, k.weight, k.bias);
  FoldNorm(block.norm1, v.weight, v.bias);
  const auto scale =
      static_cast<float>(std::log2(std::exp(1.0)) / std::sqrt(static_cast<double>(config.head_dim())));
  for (float& w : q.weight) w *= scale;
  for (float& b : q.bias) b *= scale;

  FoldedBlock folded;
  folded.out = Plain(block.out);
  AddProduct(folded.out.weight, v.bias, folded.out.bias);
  ScaleRows(block.layer_scale1, folded.out);
  folded.fc1 = Plain(block.fc1);
  FoldNorm(block.norm2, folded.fc1.weight, folded.fc1.bias);
  folded.fc2 = Plain(block.fc2);
  ScaleRows(block.layer_scale2, folded.fc2);
  if (split_query) {
    folded.qkv_weight = ByHead({&k.weight, &v.weight}, config);
    folded.q_weight = std::move(q.weight);
  } else {
    folded.qkv_weight = ByHead({&q.weight, &k.weight, &v.weight}, config);
  }
  folded.q_bias = std::move(q.bias);
  return folded;
}

FoldedLinear FoldProjection(const model::VisionModel& model) {
  FoldedLinear folded = Plain(model.weights.projection);
  if (model.config.has_post_norm) FoldNorm(model.weights.post_norm, folded.weight, folded.bias);
  return folded;
}

double ProductFlops(const VisionConfig& config) {
  const double t = config.tokens();
  const double d = config.hidden_size;
  const double f = config.mlp_size;
  const double patch = 2.0 * config.patches() * 3 * config.patch_size * config.patch_size * d;
  const double block = 2.0 * t * (4 * d * d + 2 * d * f);
  const double last = 2.0 * t * 2 * d * d + 2.0 * (2 * d * d + 2 * d * f);
  return patch + (config.layers - 1) * block + last + 2.0 * d * config.projection_dim;
}

double ExecutedFlops(const VisionConfig& config) {
  const double t = config.tokens();
  const double d = config.hidden_size;
  return ProductFlops(config) + (config.layers - 1) * 4.0 * t * t * d + 4.0 * t * d;
}

}  // namespace photovec::model
