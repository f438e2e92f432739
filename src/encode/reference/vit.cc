// SPDX-License-Identifier: MIT
#include "encode/reference/vit.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace photovec::encode::reference {
namespace {

std::vector<float> Floats(const TensorView& view) {
  return view.present() ? view.ToFloats() : std::vector<float>();
}

Matrix ToMatrix(const TensorView& view, int rows, int columns) {
  Matrix matrix(rows, columns);
  view.CopyTo(matrix.values);
  return matrix;
}

Linear ToLinear(const model::Linear& linear, int out, int in) {
  return {ToMatrix(linear.weight, out, in), Floats(linear.bias)};
}

Norm ToNorm(const model::Norm& norm) { return {Floats(norm.gamma), Floats(norm.beta)}; }

// x: [R, in] -> [R, out]
Matrix Apply(const Linear& linear, const Matrix& x) {
  Matrix y(x.rows, linear.weight.rows);
  for (int r = 0; r < x.rows; ++r) {
    for (int o = 0; o < y.columns; ++o) {
      double sum = linear.bias.empty() ? 0.0 : linear.bias[static_cast<size_t>(o)];
      for (int i = 0; i < x.columns; ++i) {
        sum += static_cast<double>(x.at(r, i)) * static_cast<double>(linear.weight.at(o, i));
      }
      y.at(r, o) = static_cast<float>(sum);
    }
  }
  return y;
}

// Each row on its own: (x - mean) / sqrt(variance + eps) * gamma + beta, with the biased variance.
Matrix Apply(const Norm& norm, const Matrix& x, double eps) {
  if (norm.gamma.empty()) return x;
  Matrix y(x.rows, x.columns);
  for (int r = 0; r < x.rows; ++r) {
    double sum = 0.0;
    for (int c = 0; c < x.columns; ++c) sum += x.at(r, c);
    const double mean = sum / x.columns;
    double squares = 0.0;
    for (int c = 0; c < x.columns; ++c) squares += (x.at(r, c) - mean) * (x.at(r, c) - mean);
    const double scale = 1.0 / std::sqrt(squares / x.columns + eps);
    for (int c = 0; c < x.columns; ++c) {
      const auto i = static_cast<size_t>(c);
      y.at(r, c) = static_cast<float>((x.at(r, c) - mean) * scale * norm.gamma[i] + norm.beta[i]);
    }
  }
  return y;
}

float Activate(model::Activation activation, double x) {
  switch (activation) {
    case model::Activation::kQuickGelu:
      return static_cast<float>(x / (1.0 + std::exp(-1.702 * x)));
    case model::Activation::kGeluErf:
      return static_cast<float>(0.5 * x * (1.0 + std::erf(x / std::numbers::sqrt2)));
    case model::Activation::kGeluTanh: {
      const double inner = std::sqrt(2.0 / std::numbers::pi) * (x + 0.044715 * x * x * x);
      return static_cast<float>(0.5 * x * (1.0 + std::tanh(inner)));
    }
    case model::Activation::kSilu:
      return static_cast<float>(x / (1.0 + std::exp(-x)));
  }
  return 0.0F;
}

// x += scale * update; an empty scale is 1.
void AddScaled(const Matrix& update, const std::vector<float>& scale, Matrix& x) {
  for (int r = 0; r < x.rows; ++r) {
    for (int c = 0; c < x.columns; ++c) {
      x.at(r, c) += scale.empty() ? update.at(r, c) : scale[static_cast<size_t>(c)] * update.at(r, c);
    }
  }
}

// weights: scores of one query over all keys, in place.
void Softmax(std::vector<double>& weights) {
  const double top = *std::max_element(weights.begin(), weights.end());
  double sum = 0.0;
  for (double& weight : weights) sum += weight = std::exp(weight - top);
  for (double& weight : weights) weight /= sum;
}

}  // namespace

Vit::Vit(const model::VisionModel& model, const PixelNormalization& normalization)
    : config_(model.config), normalization_(normalization) {
  const model::VisionWeights& weights = model.weights;
  const int d = config_.hidden_size;
  const int f = config_.mlp_size;
  patch_ = {ToMatrix(weights.patch, d, 3 * config_.patch_size * config_.patch_size),
            Floats(weights.patch_bias)};
  class_token_ = Floats(weights.class_token);
  position_ = ToMatrix(weights.position, config_.tokens(), d);
  pre_norm_ = ToNorm(weights.pre_norm);
  for (const model::Block& block : weights.blocks) {
    blocks_.push_back({.norm1 = ToNorm(block.norm1),
                       .norm2 = ToNorm(block.norm2),
                       .q = ToLinear(block.q, d, d),
                       .k = ToLinear(block.k, d, d),
                       .v = ToLinear(block.v, d, d),
                       .out = ToLinear(block.out, d, d),
                       .fc1 = ToLinear(block.fc1, f, d),
                       .fc2 = ToLinear(block.fc2, d, f),
                       .layer_scale1 = Floats(block.layer_scale1),
                       .layer_scale2 = Floats(block.layer_scale2)});
  }
  post_norm_ = ToNorm(weights.post_norm);
  if (config_.projection_dim > 0) projection_ = ToLinear(weights.projection, config_.projection_dim, d);

  const auto count = [this](const Linear& linear) {
    weight_bytes_ += (linear.weight.values.size() + linear.bias.size()) * sizeof(float);
  };
  count(patch_);
  count(projection_);
  for (const Block& b : blocks_) {
    for (const Linear* linear : {&b.q, &b.k, &b.v, &b.out, &b.fc1, &b.fc2}) count(*linear);
  }
}

// Patches in reading order, each flattened as [3, P, P] like the convolution that it stands for, normalised,
// and projected. Returns [patches, D]. arXiv:2010.11929, equation 1.
Matrix Vit::PatchTokens(std::span<const uint8_t> pixels) const {
  const int s = config_.image_size;
  const int p = config_.patch_size;
  const int grid = s / p;
  Matrix flat(grid * grid, 3 * p * p);
  for (int y = 0; y < grid * p; ++y) {
    for (int x = 0; x < grid * p; ++x) {
      for (int channel = 0; channel < 3; ++channel) {
        const float value = static_cast<float>(
            pixels[(static_cast<size_t>(y) * static_cast<size_t>(s) + static_cast<size_t>(x)) * 3 +
                   static_cast<size_t>(channel)]);
        const float normalized =
            (value * normalization_.rescale - normalization_.mean[channel]) / normalization_.std[channel];
        flat.at((y / p) * grid + x / p, (channel * p + y % p) * p + x % p) = normalized;
      }
    }
  }
  return Apply(patch_, flat);
}

// x: [T, D] += out(attention(norm1(x))). arXiv:2010.11929, equation 2 and appendix A.
void Vit::Attend(const Block& block, Matrix& x) const {
  const Matrix normed = Apply(block.norm1, x, config_.layer_norm_eps);
  const Matrix q = Apply(block.q, normed);
  const Matrix k = Apply(block.k, normed);
  const Matrix v = Apply(block.v, normed);
  const int hd = config_.head_dim();
  const double scale = 1.0 / std::sqrt(static_cast<double>(hd));
  Matrix mixed(x.rows, x.columns);
  std::vector<double> weights(static_cast<size_t>(x.rows));
  for (int first = 0; first < x.columns; first += hd) {  // a head is HD neighbouring columns
    for (int query = 0; query < x.rows; ++query) {
      for (int key = 0; key < x.rows; ++key) {
        double score = 0.0;
        for (int c = first; c < first + hd; ++c) score += static_cast<double>(q.at(query, c)) * k.at(key, c);
        weights[static_cast<size_t>(key)] = score * scale;
      }
      Softmax(weights);
      for (int c = first; c < first + hd; ++c) {
        double sum = 0.0;
        for (int key = 0; key < x.rows; ++key) sum += weights[static_cast<size_t>(key)] * v.at(key, c);
        mixed.at(query, c) = static_cast<float>(sum);
      }
    }
  }
  AddScaled(Apply(block.out, mixed), block.layer_scale1, x);
}

// x: [T, D] += fc2(act(fc1(norm2(x)))). arXiv:2010.11929, equation 3.
void Vit::Feed(const Block& block, Matrix& x) const {
  Matrix hidden = Apply(block.fc1, Apply(block.norm2, x, config_.layer_norm_eps));
  for (float& value : hidden.values) value = Activate(config_.activation, value);
  AddScaled(Apply(block.fc2, hidden), block.layer_scale2, x);
}

std::vector<float> Vit::Embed(std::span<const uint8_t> pixels) const {
  const Matrix patches = PatchTokens(pixels);
  Matrix x = position_;  // [T, D]
  const int first_patch = config_.has_class_token ? 1 : 0;
  if (config_.has_class_token) {
    for (int c = 0; c < x.columns; ++c) x.at(0, c) += class_token_[static_cast<size_t>(c)];
  }
  for (int r = 0; r < patches.rows; ++r) {
    for (int c = 0; c < x.columns; ++c) x.at(first_patch + r, c) += patches.at(r, c);
  }
  x = Apply(pre_norm_, x, config_.layer_norm_eps);
  for (const Block& block : blocks_) {
    Attend(block, x);
    Feed(block, x);
  }
  Matrix pooled(1, x.columns);  // Pooling::kClassToken: the row of the class token
  std::copy_n(x.values.begin(), x.columns, pooled.values.begin());
  pooled = Apply(post_norm_, pooled, config_.layer_norm_eps);
  if (config_.projection_dim > 0) pooled = Apply(projection_, pooled);
  return pooled.values;
}

}  // namespace photovec::encode::reference
