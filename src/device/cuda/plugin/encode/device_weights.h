// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/image.h"
#include "base/result.h"
#include "device/cuda/plugin/device_memory.h"
#include "device/cuda/plugin/encode/gemm.h"
#include "device/cuda/plugin/kernels/kernels.h"
#include "model/fold/element.h"
#include "model/fold/fold.h"
#include "model/text_model.h"
#include "model/vision_model.h"

namespace photovec::device {

/// Device pointers of one block. `e`: elements; biases that a product adds are elements, others f32. `m`:
/// elements too, or E4M3 with a scale a row where the weights are fp8. G: F, or 2F where the MLP is gated,
/// the gate's rows before those of what it gates.
struct DeviceBlock {
  DeviceMatrix qkv;                ///< m [3D, D] by head (fold.h); of the last block keys and values: [2D, D]
  const void* qkv_bias = nullptr;  ///< e, as long: zero but for queries, and keys that turn by their place
  DeviceMatrix q;                  ///< e [D, D], last block only; null: q_bias is the query
  const void* q_bias = nullptr;    ///< e [D], last block only
  DeviceMatrix out;                ///< m [D, D]; e in the last block, as are
  DeviceMatrix fc1;                ///< m [G, D]
  DeviceMatrix fc2;                ///< m [D, F]
  const float* out_bias = nullptr;
  const float* fc1_bias = nullptr;  ///< [G]
  const float* fc2_bias = nullptr;
};

/// How many rows a batch has in each part of the forward pass.
struct BatchShape {
  int rows = 0;     ///< that pass through the blocks
  int tail = 0;     ///< that pass through the last one: one an image or text
  int patches = 0;  ///< of the product that makes rows of patches; 0: none
};

/// The one copy of a tower's weights on a device, folded (fold.h). Immutable; shared by all streams.
class TowerWeights {
 public:
  TowerWeights(const TowerWeights&) = delete;
  TowerWeights& operator=(const TowerWeights&) = delete;
  virtual ~TowerWeights() = default;

  const model::TransformerConfig& transformer() const { return transformer_; }
  int embedding_dim() const { return embedding_dim_; }
  model::Element element() const { return element_; }
  bool fp8() const { return fp8_; }
  uint64_t bytes() const { return arena_.bytes(); }
  /// Columns of fc1's product: G, in the last block perhaps fewer.
  int mlp_columns() const { return transformer_.mlp_size * (transformer_.gated_mlp ? 2 : 1); }
  int tail_mlp_columns() const { return tail_gated_ ? mlp_columns() : transformer_.mlp_size; }
  bool tail_gated() const { return tail_gated_; }
  /// Of the product that makes a batch's rows of its patches: 0 where there is none.
  int patch_depth() const { return patch_depth_; }
  bool tail_keys_have_bias() const { return blocks.back().qkv_bias != nullptr; }

  DeviceMatrix patch;  ///< e [D, patch_depth]; null: none
  /// An attention pool is one more block, the last: what it adds to is zero, and its query is a constant.
  std::vector<DeviceBlock> blocks;
  bool pool = false;
  /// False where the pool takes the rows themselves, not normed.
  bool norm_before_tail = true;
  bool end_norm = false;                   ///< the pooled row is normed, by
  Affine end_affine;                       ///< null where it is folded into
  DeviceMatrix projection;                 ///< e [E, D]; null: none
  const float* projection_bias = nullptr;  ///< [E]

 protected:
  TowerWeights(const model::TransformerConfig& config, int embedding_dim, model::Element element, bool fp8)
      : transformer_(config), embedding_dim_(embedding_dim), element_(element), fp8_(fp8) {}
  /// Of so many blocks, projection and patches, with room for the steps of the arena.
  size_t BlockBytes(size_t blocks_count) const;
  Status Allocate(size_t bytes);
  Status Upload(const model::FoldedBlock& folded, bool last, DeviceBlock& block);
  Status UploadProjection(const model::FoldedLinear& folded);
  /// Converted to elements.
  Result<const void*> Elements(const std::vector<float>& values);
  Result<DeviceMatrix> Matrix(const std::vector<float>& values);
  /// As E4M3, a scale a row.
  Result<DeviceMatrix> Fp8Matrix(const std::vector<float>& values, int rows);
  Result<const float*> Floats(const std::vector<float>& values);
  Result<Affine> Norm(const model::Norm& norm);
  Status Convert(const std::vector<float>& values);  // into staging_

  const model::TransformerConfig transformer_;
  const int embedding_dim_;
  const model::Element element_;
  const bool fp8_;
  bool tail_gated_ = false;
  int patch_depth_ = 0;
  DeviceArena arena_;
  std::vector<uint16_t> staging_;
};

class ImageWeights final : public TowerWeights {
 public:
  /// On the current device. Refers to nothing of `model` afterwards. Errors: kDeviceOutOfMemory.
  /// \param fp8 the products over all rows of a batch but the first, of the patches, are in fp8; element is
  /// f16.
  static Result<std::unique_ptr<ImageWeights>> Create(const model::VisionModel& model,
                                                      const PixelNormalization& normalization,
                                                      model::Element element, bool fp8);

  const model::VisionConfig& config() const { return config_; }
  BatchShape Batch(int images) const {
    return {images * config_.tokens(), images, images * config_.patches()};
  }

  float pixel_scale = 1;               ///< what the patch product's inputs are: u8 * pixel_scale
  const float* position = nullptr;     ///< [patches, D]
  const float* prefix_rows = nullptr;  ///< [prefix_tokens, D]; null: none
  Affine pre_norm;
  const float* cosine = nullptr;  ///< [patches, HD/2]; null: queries and keys do not turn
  const float* sine = nullptr;

 private:
  ImageWeights(const model::VisionConfig& config, model::Element element, bool fp8);
  size_t TotalBytes() const;
  Status Upload(const model::VisionModel& model, const PixelNormalization& normalization);

  const model::VisionConfig config_;
};

class TextWeights final : public TowerWeights {
 public:
  /// As ImageWeights::Create(). The token table, too, is copied, as elements: a batch then sends 4 bytes a
  /// token. (Rows gathered on the host would be 3 KB a token at D = 768: 64 texts of 64 tokens are 12 MB,
  /// which one thread collects from the page cache in some 3 ms, twice what a Hopper computes on them. The
  /// largest table in use, 256,000 x 1,152, takes 0.6 GB in f16.) Never in fp8: a row of a short text has
  /// few others to average its errors with, and texts are no load worth the loss.
  static Result<std::unique_ptr<TextWeights>> Create(const model::TextModel& model, model::Element element);

  const model::TextConfig& config() const { return config_; }

  const void* token_rows = nullptr;  ///< e [V, D]
  const float* position = nullptr;   ///< [max_tokens, D]

 private:
  TextWeights(const model::TextConfig& config, model::Element element)
      : TowerWeights(config, config.embedding_dim(), element, false), config_(config) {}
  Status Upload(const model::TextModel& model);
  Status UploadTokens(const TensorView& table);

  const model::TextConfig config_;
};

}  // namespace photovec::device
