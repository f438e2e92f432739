// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/image.h"
#include "encode/reference/matrix.h"
#include "encode/reference/transformer.h"
#include "model/vision_model.h"

namespace photovec::encode::reference {

/// A vision transformer that owns its weights as f32. Immutable, so any thread may call Embed().
class Vit {
 public:
  Vit(const model::VisionModel& model, const PixelNormalization& normalization);

  /// \param pixels [S,S,3] u8 RGB. Returns [embedding_dim] f32, not normalised.
  std::vector<float> Embed(std::span<const uint8_t> pixels) const;
  uint64_t weight_bytes() const { return weight_bytes_; }

 private:
  /// SigLIP's head, see model::AttentionPool.
  struct Pool {
    Matrix probe;  // [1, D]
    Linear q, k, v, out, fc1, fc2;
    Norm norm;
  };
  Matrix PatchTokens(std::span<const uint8_t> pixels) const;
  Matrix Rows(std::span<const uint8_t> pixels) const;
  Matrix PoolByAttention(const Matrix& x) const;

  const model::VisionConfig config_;
  const PixelNormalization normalization_;
  Linear patch_;        ///< [D, 3*P*P]
  Matrix class_token_;  ///< [1, D], or empty
  Matrix registers_;    ///< [R, D], or empty
  Matrix position_;     ///< [class token + patches, D], or empty
  Norm pre_norm_, post_norm_;
  Transformer blocks_;
  std::optional<Rotary> rotary_;
  Pool pool_;
  Linear projection_;  ///< empty weight: none
  uint64_t weight_bytes_ = 0;
};

}  // namespace photovec::encode::reference
