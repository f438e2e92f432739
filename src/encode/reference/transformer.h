// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "encode/reference/matrix.h"
#include "model/config.h"
#include "model/vision_model.h"

namespace photovec::encode::reference {

/// Angles by which the rows behind the prefix turn (2-D rotary positions). Source: transformers
/// modeling_dinov3_vit.py, DINOv3ViTRopePositionEmbedding; arXiv:2104.09864 §3.4.
class Rotary {
 public:
  explicit Rotary(const model::VisionConfig& config);
  /// Turns q or k [T, D]: within each head, element i with element i + HD/2.
  void Turn(Matrix& x) const;

 private:
  int prefix_;
  int head_dim_;
  std::vector<double> angles_;  // [patches, HD/2]
};

/// A stack of pre-norm blocks, weights owned as f32. Immutable, any thread.
class Transformer {
 public:
  Transformer(const model::TransformerConfig& config, const std::vector<model::Block>& blocks);
  /// x [T, D] through all blocks.
  /// \param causal row i sees rows 0..i alone.
  /// \param rotary null: none.
  void Run(Matrix& x, bool causal, const Rotary* rotary) const;
  uint64_t weight_bytes() const;

 private:
  struct Block {
    Norm norm1, norm2;
    Linear q, k, v, out, fc1, up, fc2;
    std::vector<float> layer_scale1, layer_scale2;  // [D], or empty
  };
  void Attend(const Block& block, Matrix& x, bool causal, const Rotary* rotary) const;
  void Feed(const Block& block, Matrix& x) const;

  const model::TransformerConfig config_;
  std::vector<Block> blocks_;
};

/// softmax(q k^T / sqrt(HD)) v of each head. q [Q, D], k and v [T, D]; with `causal`, Q = T.
/// Source: arXiv:1706.03762 §3.2.
Matrix Attention(const Matrix& q, const Matrix& k, const Matrix& v, int head_dim, bool causal);

}  // namespace photovec::encode::reference
