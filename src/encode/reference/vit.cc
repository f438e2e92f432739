// SPDX-License-Identifier: MIT
#include "encode/reference/vit.h"

#include <algorithm>

namespace photovec::encode::reference {

Vit::Vit(const model::VisionModel& model, const PixelNormalization& normalization)
    : config_(model.config), normalization_(normalization), blocks_(model.config, model.weights.blocks) {
  const model::VisionWeights& weights = model.weights;
  const int d = config_.hidden_size;
  const int f = config_.mlp_size;
  patch_ = {ToMatrix(weights.patch, d, 3 * config_.patch_size * config_.patch_size),
            Floats(weights.patch_bias)};
  class_token_ = ToMatrix(weights.class_token, 1, d);
  registers_ = ToMatrix(weights.registers, config_.register_tokens, d);
  position_ = ToMatrix(weights.position, config_.patches() + (config_.has_class_token ? 1 : 0), d);
  pre_norm_ = ToNorm(weights.pre_norm);
  post_norm_ = ToNorm(weights.post_norm);
  if (config_.positions == model::Positions::kRotary) rotary_.emplace(config_);
  if (config_.pooling == model::Pooling::kAttention) {
    const model::AttentionPool& pool = weights.pool;
    pool_ = {.probe = ToMatrix(pool.probe, 1, d),
             .q = ToLinear(pool.q, d, d),
             .k = ToLinear(pool.k, d, d),
             .v = ToLinear(pool.v, d, d),
             .out = ToLinear(pool.out, d, d),
             .fc1 = ToLinear(pool.fc1, f, d),
             .fc2 = ToLinear(pool.fc2, d, f),
             .norm = ToNorm(pool.norm)};
  }
  if (config_.projection_dim > 0) projection_ = ToLinear(weights.projection, config_.projection_dim, d);

  weight_bytes_ = blocks_.weight_bytes();
  for (const Linear* linear :
       {&patch_, &projection_, &pool_.q, &pool_.k, &pool_.v, &pool_.out, &pool_.fc1, &pool_.fc2}) {
    weight_bytes_ += (linear->weight.values.size() + linear->bias.size()) * sizeof(float);
  }
}

// Patches in reading order, each flattened as [3, P, P] like the convolution that it stands for, normalised,
// and projected. Returns [patches, D]. arXiv:2010.11929, equation 1.
Matrix Vit::PatchTokens(std::span<const uint8_t> pixels) const {
  const int s = config_.image_size;
  const int p = config_.patch_size;
  const int grid = config_.grid();
  Matrix flat(grid * grid, 3 * p * p);
  for (int y = 0; y < grid * p; ++y) {  // what lies beyond the last whole patch is not looked at
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

// [T, D]: class token, registers, patches. Positions are of the class token and of patches: transformers
// modeling_dinov2_with_registers.py, Dinov2WithRegistersEmbeddings.forward.
Matrix Vit::Rows(std::span<const uint8_t> pixels) const {
  const Matrix patches = PatchTokens(pixels);
  Matrix x(config_.tokens(), config_.hidden_size);
  const int class_rows = config_.has_class_token ? 1 : 0;
  const int prefix = config_.prefix_tokens();
  for (int r = 0; r < x.rows; ++r) {
    const Matrix& from = r < class_rows ? class_token_ : r < prefix ? registers_ : patches;
    const int row = r < class_rows ? r : r < prefix ? r - class_rows : r - prefix;
    const bool placed = position_.rows > 0 && (r < class_rows || r >= prefix);
    for (int c = 0; c < x.columns; ++c) {
      x.at(r, c) = from.at(row, c);
      if (placed) x.at(r, c) += position_.at(r < class_rows ? r : row + class_rows, c);
    }
  }
  return x;
}

// transformers modeling_siglip.py, SiglipMultiheadAttentionPoolingHead.forward. x [T, D] -> [1, D]
Matrix Vit::PoolByAttention(const Matrix& x) const {
  const Matrix mixed =
      Attention(Apply(pool_.q, pool_.probe), Apply(pool_.k, x), Apply(pool_.v, x), config_.head_dim(), false);
  Matrix pooled = Apply(pool_.out, mixed);
  Matrix hidden = Apply(pool_.fc1, Apply(pool_.norm, pooled, config_.layer_norm_eps));
  for (float& value : hidden.values) value = Activate(config_.activation, value);
  AddScaled(Apply(pool_.fc2, hidden), {}, pooled);
  return pooled;
}

std::vector<float> Vit::Embed(std::span<const uint8_t> pixels) const {
  Matrix x = Apply(pre_norm_, Rows(pixels), config_.layer_norm_eps);
  blocks_.Run(x, false, rotary_ ? &*rotary_ : nullptr);
  Matrix pooled;
  switch (config_.pooling) {
    case model::Pooling::kClassToken:
      pooled = Apply(post_norm_, x.Row(0), config_.layer_norm_eps);
      break;
    case model::Pooling::kAttention:
      pooled = PoolByAttention(Apply(post_norm_, x, config_.layer_norm_eps));
      break;
  }
  if (config_.projection_dim > 0) pooled = Apply(projection_, pooled);
  return pooled.values;
}

}  // namespace photovec::encode::reference
