// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/image.h"
#include "model/vision_model.h"

namespace photovec::encode::reference {

/// [rows, columns], row-major.
struct Matrix {
  int rows = 0;
  int columns = 0;
  std::vector<float> values;

  Matrix() = default;
  Matrix(int r, int c) : rows(r), columns(c), values(static_cast<size_t>(r) * static_cast<size_t>(c)) {}
  float& at(int r, int c) { return values[Index(r, c)]; }
  float at(int r, int c) const { return values[Index(r, c)]; }

 private:
  size_t Index(int r, int c) const {
    return static_cast<size_t>(r) * static_cast<size_t>(columns) + static_cast<size_t>(c);
  }
};

/// y = x W^T + b; no bias: empty.
struct Linear {
  Matrix weight;  ///< [out, in]
  std::vector<float> bias;
};

struct Norm {
  std::vector<float> gamma, beta;  ///< [D]; empty: no such norm
};

struct Block {
  Norm norm1, norm2;
  Linear q, k, v, out, fc1, fc2;
  std::vector<float> layer_scale1, layer_scale2;  ///< [D], or empty
};

/// A vision transformer that owns its weights as f32. Immutable, so any thread may call Embed().
class Vit {
 public:
  Vit(const model::VisionModel& model, const PixelNormalization& normalization);

  /// \param pixels [S,S,3] u8 RGB. Returns [embedding_dim] f32, not normalised.
  std::vector<float> Embed(std::span<const uint8_t> pixels) const;
  uint64_t weight_bytes() const { return weight_bytes_; }

 private:
  Matrix PatchTokens(std::span<const uint8_t> pixels) const;
  void Attend(const Block& block, Matrix& x) const;
  void Feed(const Block& block, Matrix& x) const;

  const model::VisionConfig config_;
  const PixelNormalization normalization_;
  Linear patch_;                    ///< [D, 3*P*P]
  std::vector<float> class_token_;  ///< [D], or empty
  Matrix position_;                 ///< [T, D]
  Norm pre_norm_, post_norm_;
  std::vector<Block> blocks_;
  Linear projection_;  ///< empty weight: none
  uint64_t weight_bytes_ = 0;
};

}  // namespace photovec::encode::reference
