// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/tensor_view.h"
#include "model/config.h"

namespace photovec::model {

/// y = x W^T + b, as PyTorch stores it.
struct Linear {
  TensorView weight;  ///< [out, in]
  TensorView bias;    ///< [out], or absent
};

struct Norm {
  TensorView gamma;  ///< [D]
  TensorView beta;   ///< [D]
};

/// One pre-norm transformer block: x += scale1 * out(attn(norm1(x))); x += scale2 * mlp(norm2(x)).
struct Block {
  Norm norm1;
  Linear q, k, v, out;      ///< [D, D]; k without bias where has_key_bias is false
  TensorView layer_scale1;  ///< [D], or absent
  Norm norm2;
  Linear fc1;               ///< [F, D]; the gate, where the MLP is gated
  Linear up;                ///< [F, D], or absent: the other half of a gated MLP
  Linear fc2;               ///< [D, F]
  TensorView layer_scale2;  ///< [D], or absent
};

/// SigLIP's pooling: h = out(attention of the probe over k, v of post_norm(x)); h + fc2(act(fc1(norm(h)))).
struct AttentionPool {
  TensorView probe;     ///< [D]
  Linear q, k, v, out;  ///< [D, D]; heads as in the blocks
  Norm norm;
  Linear fc1;  ///< [F, D]
  Linear fc2;  ///< [D, F]
};

/// All tensors of a vision tower, shapes already checked against the config.
struct VisionWeights {
  TensorView patch;        ///< [D, 3, P, P]
  TensorView patch_bias;   ///< [D], or absent
  TensorView class_token;  ///< [D], or absent
  TensorView registers;    ///< [register_tokens, D], or absent
  /// [class token + patches, D], of this grid already (a checkpoint of another grid is resampled while it is
  /// loaded); absent with rotary positions.
  TensorView position;
  Norm pre_norm;  ///< absent views when the config has none
  std::vector<Block> blocks;
  Norm post_norm;
  AttentionPool pool;  ///< absent views unless the pooling is kAttention
  Linear projection;   ///< [projection_dim, D], no bias; absent when projection_dim is 0
};

/// A loaded checkpoint: architecture, weights and identity. The weights are views into read-only mapped
/// files, or into memory beside them where a checkpoint has them otherwise (transposed, fused, of another
/// grid). Both live as long as `storage`: encoders copy (pack) what they need, then the owner drops the whole
/// object, so that nothing stays mapped while serving. Move-only in spirit; not modified after loading.
struct VisionModel {
  VisionConfig config;
  VisionWeights weights;
  std::shared_ptr<const void> storage;
  std::string weights_sha256;  ///< hex digest over the names, shapes, dtypes and bytes of all tensors used
};

/// Loads the image tower of a model directory as it is downloaded: config.json and model.safetensors (or the
/// shards of model.safetensors.index.json) of HuggingFace, or open_clip_config.json and
/// open_clip_model.safetensors. Text-tower tensors are left alone.
/// \param image_size what the preprocessing makes of photos. Families that take pictures of any size (DINOv2,
/// whose positions are resampled here, DINOv3) come out for it; others keep the size that they were trained
/// at, which the caller compares. 0: the config's.
/// Errors: kNotFound naming the missing file; kInvalidRequest naming the file and the tensor, with the shape
/// expected and found, or that it has a NaN or an infinity.
Result<VisionModel> LoadVisionModel(const std::string& model_dir, int image_size = 0);

}  // namespace photovec::model
