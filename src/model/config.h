// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace photovec::model {

enum class Activation { kQuickGelu, kGeluErf, kGeluTanh, kSilu };
std::string_view ActivationName(
    Activation activation);  ///< as in config.json: "quick_gelu", "gelu", "gelu_pytorch_tanh", "silu"

/// How [B,T,D] of an image becomes one vector.
enum class Pooling {
  kClassToken,  ///< post_norm(row 0), then the projection if there is one
  kAttention,   ///< SigLIP's head: one constant query over post_norm of all rows, then an MLP
};

/// How a patch knows where it is.
enum class Positions {
  kLearned,  ///< a row for each patch, added before the first block
  kRotary,   ///< queries and keys of patches turn by angles of their place, in every block (DINOv3)
};

/// A stack of pre-norm transformer blocks: what image and text towers have in common.
/// D hidden_size, NH heads, HD head_dim, F mlp_size.
struct TransformerConfig {
  int hidden_size = 0;  ///< D
  int layers = 0;
  int heads = 0;     ///< NH; divides D
  int mlp_size = 0;  ///< F
  Activation activation = Activation::kQuickGelu;
  float layer_norm_eps = 1e-5F;
  /// fc2(act(fc1 x) * (up x)) in place of fc2(act(fc1 x)): SwiGLU and its kin.
  bool gated_mlp = false;
  bool has_key_bias = true;
  bool has_layer_scale = false;

  int head_dim() const { return hidden_size / heads; }  ///< HD
  bool operator==(const TransformerConfig&) const = default;
};

/// The architecture of a vision transformer, independent of the family that it came from: every way in which
/// CLIP, SigLIP and DINOv2 differ is a field, never an `if (family)` in an encoder. A plain value.
/// Names: B batch, T tokens, D hidden_size, NH heads, HD head_dim, F mlp_size, P patch_size, S image_size.
struct VisionConfig : TransformerConfig {
  std::string architecture;  ///< as in config.json: "CLIPModel", ...
  int image_size = 0;        ///< S
  int patch_size = 0;        ///< P; pixels beyond the last whole patch, right and below, are not looked at
  int projection_dim = 0;    ///< 0: no projection, the pooled vector itself is the embedding
  Pooling pooling = Pooling::kClassToken;
  Positions positions = Positions::kLearned;
  float rope_theta = 100;  ///< of kRotary
  bool has_class_token = true;
  int register_tokens = 0;  ///< behind the class token; they have no position
  bool has_patch_bias = false;
  bool has_pre_norm = true;   ///< layernorm before the first block
  bool has_post_norm = true;  ///< layernorm on the pooled row, or on all rows before kAttention

  int grid() const { return image_size / patch_size; }  ///< patches on a side
  int patches() const { return grid() * grid(); }
  int prefix_tokens() const { return (has_class_token ? 1 : 0) + register_tokens; }
  int tokens() const { return patches() + prefix_tokens(); }  ///< T: class token, registers, patches
  int embedding_dim() const { return projection_dim > 0 ? projection_dim : hidden_size; }
  /// 2 x multiply-adds of one image, all matrix products, nothing skipped (notes on limits use the same
  /// count).
  double FlopsPerImage() const;
  bool operator==(const VisionConfig&) const = default;
};

/// The architecture of a text tower. Row i of a sequence is token_embedding[id] + position[i]; the blocks
/// follow; the vector is projection(final_norm(last row)). The last row is the end-of-text token where the
/// tower is causal (nothing behind it is computed), the last of max_tokens where it is not (padding is looked
/// at).
struct TextConfig : TransformerConfig {
  std::string architecture;  ///< as in config.json: "CLIPTextModelWithProjection", ...
  int vocabulary_size = 0;   ///< V
  int max_tokens = 0;        ///< positions that there are: 77, 64, 16
  int projection_dim = 0;    ///< 0: no projection
  bool causal = true;        ///< a token sees itself and those before it
  bool has_projection_bias = false;

  int embedding_dim() const { return projection_dim > 0 ? projection_dim : hidden_size; }
  /// 2 x multiply-adds of one text of so many tokens, all matrix products.
  double FlopsPerText(int tokens) const;
  bool operator==(const TextConfig&) const = default;
};

/// Parses the text of a HuggingFace config.json (CLIPModel, CLIPVisionModel, CLIPVisionModelWithProjection),
/// filling what it omits with transformers' defaults.
/// Errors: kInvalidRequest naming the key, what it holds and what is supported.
Result<VisionConfig> ParseConfig(std::string_view json_text);

}  // namespace photovec::model
