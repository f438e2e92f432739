// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "encode/encoder.h"
#include "encode/reference/matrix.h"
#include "encode/reference/transformer.h"
#include "model/text_model.h"

namespace photovec::encode::reference {

/// A text tower that owns its weights as f32, but for the token rows, which stay in the checkpoint.
/// Immutable, any thread. Source: transformers modeling_clip.py, CLIPTextTransformer; modeling_siglip.py,
/// SiglipTextTransformer.
class TextTower {
 public:
  explicit TextTower(const model::TextModel& model);

  /// \param ids as EncoderStream::SubmitTexts() takes them, already checked. Returns [embedding_dim] f32, not
  /// normalised.
  std::vector<float> Embed(TokenIds ids) const;
  const model::TextConfig& config() const { return config_; }
  uint64_t weight_bytes() const { return weight_bytes_; }

 private:
  const model::TextConfig config_;
  const TensorView token_embedding_;  ///< [V, D], alive through token_storage_
  const std::shared_ptr<const void> token_storage_;
  Matrix position_;  ///< [max_tokens, D]
  Transformer blocks_;
  Norm final_norm_;
  Linear projection_;  ///< empty weight: none
  uint64_t weight_bytes_ = 0;
};

}  // namespace photovec::encode::reference
