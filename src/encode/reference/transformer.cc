// SPDX-License-Identifier: MIT
#include "encode/reference/transformer.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <span>

namespace photovec::encode::reference {
namespace {

// weights: scores of one query over the keys that it sees, in place.
void Softmax(std::span<double> weights) {
  const double top = *std::max_element(weights.begin(), weights.end());
  double sum = 0.0;
  for (double& weight : weights) sum += weight = std::exp(weight - top);
  for (double& weight : weights) weight /= sum;
}

}  // namespace

Rotary::Rotary(const model::VisionConfig& config)
    : prefix_(config.prefix_tokens()), head_dim_(config.head_dim()) {
  const int grid = config.grid();
  const int quarter = head_dim_ / 4;
  for (int patch = 0; patch < config.patches(); ++patch) {
    for (const int place : {patch / grid, patch % grid}) {  // y, then x
      const double center = 2.0 * (place + 0.5) / grid - 1.0;
      for (int i = 0; i < quarter; ++i) {
        const double frequency = std::pow(static_cast<double>(config.rope_theta), -4.0 * i / head_dim_);
        angles_.push_back(2.0 * std::numbers::pi * center * frequency);
      }
    }
  }
}

void Rotary::Turn(Matrix& x) const {
  const int half = head_dim_ / 2;
  for (int r = prefix_; r < x.rows; ++r) {
    for (int first = 0; first < x.columns; first += head_dim_) {
      for (int i = 0; i < half; ++i) {
        const double angle =
            angles_[static_cast<size_t>(r - prefix_) * static_cast<size_t>(half) + static_cast<size_t>(i)];
        const double a = x.at(r, first + i);
        const double b = x.at(r, first + half + i);
        x.at(r, first + i) = static_cast<float>(a * std::cos(angle) - b * std::sin(angle));
        x.at(r, first + half + i) = static_cast<float>(b * std::cos(angle) + a * std::sin(angle));
      }
    }
  }
}

Matrix Attention(const Matrix& q, const Matrix& k, const Matrix& v, int head_dim, bool causal) {
  const double scale = 1.0 / std::sqrt(static_cast<double>(head_dim));
  Matrix mixed(q.rows, q.columns);
  for (int first = 0; first < q.columns; first += head_dim) {  // a head is HD neighbouring columns
    for (int query = 0; query < q.rows; ++query) {
      std::vector<double> weights(static_cast<size_t>(causal ? query + 1 : k.rows));
      for (size_t key = 0; key < weights.size(); ++key) {
        double score = 0.0;
        for (int c = first; c < first + head_dim; ++c) {
          score += static_cast<double>(q.at(query, c)) * k.at(static_cast<int>(key), c);
        }
        weights[key] = score * scale;
      }
      Softmax(weights);
      for (int c = first; c < first + head_dim; ++c) {
        double sum = 0.0;
        for (size_t key = 0; key < weights.size(); ++key)
          sum += weights[key] * v.at(static_cast<int>(key), c);
        mixed.at(query, c) = static_cast<float>(sum);
      }
    }
  }
  return mixed;
}

Transformer::Transformer(const model::TransformerConfig& config, const std::vector<model::Block>& blocks)
    : config_(config) {
  const int d = config_.hidden_size;
  const int f = config_.mlp_size;
  for (const model::Block& block : blocks) {
    blocks_.push_back({.norm1 = ToNorm(block.norm1),
                       .norm2 = ToNorm(block.norm2),
                       .q = ToLinear(block.q, d, d),
                       .k = ToLinear(block.k, d, d),
                       .v = ToLinear(block.v, d, d),
                       .out = ToLinear(block.out, d, d),
                       .fc1 = ToLinear(block.fc1, f, d),
                       .up = ToLinear(block.up, f, d),
                       .fc2 = ToLinear(block.fc2, d, f),
                       .layer_scale1 = Floats(block.layer_scale1),
                       .layer_scale2 = Floats(block.layer_scale2)});
  }
}

uint64_t Transformer::weight_bytes() const {
  uint64_t bytes = 0;
  for (const Block& b : blocks_) {
    for (const Linear* linear : {&b.q, &b.k, &b.v, &b.out, &b.fc1, &b.up, &b.fc2}) {
      bytes += (linear->weight.values.size() + linear->bias.size()) * sizeof(float);
    }
  }
  return bytes;
}

// x: [T, D] += scale1 * out(attention(norm1(x))). arXiv:2010.11929, equation 2 and appendix A.
void Transformer::Attend(const Block& block, Matrix& x, bool causal, const Rotary* rotary) const {
  const Matrix normed = Apply(block.norm1, x, config_.layer_norm_eps);
  Matrix q = Apply(block.q, normed);
  Matrix k = Apply(block.k, normed);
  if (rotary != nullptr) {
    rotary->Turn(q);
    rotary->Turn(k);
  }
  const Matrix mixed = Attention(q, k, Apply(block.v, normed), config_.head_dim(), causal);
  AddScaled(Apply(block.out, mixed), block.layer_scale1, x);
}

// x: [T, D] += scale2 * fc2(act(fc1(norm2(x)))), arXiv:2010.11929, equation 3; gated: arXiv:2002.05202,
// equation 6.
void Transformer::Feed(const Block& block, Matrix& x) const {
  const Matrix normed = Apply(block.norm2, x, config_.layer_norm_eps);
  Matrix hidden = Apply(block.fc1, normed);
  for (float& value : hidden.values) value = Activate(config_.activation, value);
  if (config_.gated_mlp) {
    const Matrix up = Apply(block.up, normed);
    for (size_t i = 0; i < up.values.size(); ++i) hidden.values[i] *= up.values[i];
  }
  AddScaled(Apply(block.fc2, hidden), block.layer_scale2, x);
}

void Transformer::Run(Matrix& x, bool causal, const Rotary* rotary) const {
  for (const Block& block : blocks_) {
    Attend(block, x, causal, rotary);
    Feed(block, x);
  }
}

}  // namespace photovec::encode::reference
