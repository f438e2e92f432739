// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace photovec::model {

enum class Activation { kQuickGelu, kGeluErf, kGeluTanh };
std::string_view ActivationName(
    Activation activation);  ///< as in config.json: "quick_gelu", "gelu", "gelu_pytorch_tanh"

/// How [B,T,D] becomes one vector per image.
enum class Pooling { kClassToken };

/// The architecture of a vision transformer, independent of the family that it came from: every way in which
/// CLIP, SigLIP and DINOv2 differ is a field, never an `if (family)` in an encoder. A plain value.
/// Names: B batch, T tokens, D hidden_size, NH heads, HD head_dim, F mlp_size, P patch_size, S image_size.
struct VisionConfig {
  std::string architecture;  ///< as in config.json: "CLIPModel", ...
  int image_size = 0;        ///< S
  int patch_size = 0;        ///< P; divides S
  int hidden_size = 0;       ///< D
  int layers = 0;
  int heads = 0;           ///< NH; divides D
  int mlp_size = 0;        ///< F
  int projection_dim = 0;  ///< 0: no projection, the pooled vector itself is the embedding
  Activation activation = Activation::kQuickGelu;
  float layer_norm_eps = 1e-5F;
  Pooling pooling = Pooling::kClassToken;
  bool has_class_token = true;
  bool has_patch_bias = false;
  bool has_pre_norm = true;  ///< layernorm before the first block
  bool has_layer_scale = false;
  bool has_post_norm = true;  ///< layernorm on the pooled row

  int patches() const { return (image_size / patch_size) * (image_size / patch_size); }
  int tokens() const { return patches() + (has_class_token ? 1 : 0); }  ///< T
  int head_dim() const { return hidden_size / heads; }                  ///< HD
  int embedding_dim() const { return projection_dim > 0 ? projection_dim : hidden_size; }
  /// 2 x multiply-adds of one image, all matrix products, nothing skipped (notes on limits use the same
  /// count).
  double FlopsPerImage() const;
};

/// Parses the text of a HuggingFace config.json (CLIPModel, CLIPVisionModel, CLIPVisionModelWithProjection),
/// filling what it omits with transformers' defaults.
/// Errors: kInvalidRequest naming the key, what it holds and what is supported.
Result<VisionConfig> ParseConfig(std::string_view json_text);

}  // namespace photovec::model
