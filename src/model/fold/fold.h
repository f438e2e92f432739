// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <vector>

#include "base/image.h"
#include "model/config.h"
#include "model/fold/element.h"
#include "model/text_model.h"
#include "model/vision_model.h"

/// Exact algebra at load (docs/architecture.md, "The flow"): what does not depend on the image moves into the
/// weights, so that at run time every product is bare and its bias is added by the kernel that reads it
/// anyway. Pure functions, used by every fast backend.
namespace photovec::model {

/// y = x W^T + b, with [N, K] rows.
struct FoldedLinear {
  std::vector<float> weight;
  std::vector<float> bias;  ///< [N]
};

struct FoldedPatch {
  std::vector<float> weight;  ///< [D, P*P*3], columns in (y, x, channel) order; takes u8 * pixel_scale
  /// 1, or 1/256 for f16, whose smallest weights would lose bits otherwise. u8 * pixel_scale is exact.
  float pixel_scale = 1;
  std::vector<float>
      position;  ///< [patches, D]: position embedding + everything constant of the patch product
  /// [prefix_tokens, D]: class token + its position, then the registers, pre-norm applied; may be empty.
  std::vector<float> prefix_rows;
};
/// \param element the bias is computed from weights as rounded to this, so that rounding errors multiply
/// (pixel - mean), not the whole pixel.
FoldedPatch FoldPatch(const model::VisionModel& model, const PixelNormalization& normalization,
                      Element element);

struct FoldedBlock {
  /// Rows are grouped by head: HD rows of q, HD of k, HD of v of head 0, then of head 1, …
  /// q carries log2(e)/sqrt(HD); v's bias has moved into `out`.
  std::vector<float> qkv_weight;  ///< [3D, D]; where the query is apart, `kv` alone: [2D, D]
  std::vector<float> q_weight;    ///< [D, D] where the query is apart; empty: q_bias is the query (FoldPool)
  std::vector<float> q_bias;      ///< [D]
  /// [D] where keys turn by their place; otherwise empty, because softmax does not see it.
  std::vector<float> k_bias;
  FoldedLinear out;  ///< layer scale included
  FoldedLinear fc1;  ///< norm2 included
  FoldedLinear up;   ///< norm2 included; empty unless the MLP is gated
  FoldedLinear fc2;  ///< layer scale included
};
struct BlockFold {
  bool split_query = false;  ///< for the last block, where one row alone asks
  bool rotary = false;       ///< queries and keys turn by their place
};
FoldedBlock FoldBlock(const TransformerConfig& config, const model::Block& block, BlockFold how);

/// Attention pooling as one more last block behind all others: its query is a constant, its keys and values
/// are made of the normed rows (post_norm is folded in; without one, of the rows themselves), and what it
/// adds to is zero, not the row that asks. Call only with Pooling::kAttention.
FoldedBlock FoldPool(const model::VisionModel& model);

/// The norm before it folded in (of an image tower, unless that norm is in the pool already). Call only if
/// the model has a projection.
FoldedLinear FoldProjection(const model::VisionModel& model);
FoldedLinear FoldProjection(const model::TextModel& model);

/// Rotary positions: element i of a head turns with element i + HD/2, to (a cos - b sin, b cos + a sin). Rows
/// of the prefix do not turn. Source: transformers modeling_dinov3_vit.py, DINOv3ViTRopePositionEmbedding.
struct RotaryTable {
  std::vector<float> cos, sin;  ///< [patches, HD/2]; empty with learned positions
};
RotaryTable MakeRotaryTable(const VisionConfig& config);

/// 2 x multiply-adds of one image as the fast backends compute it, the last block's tail for the pooled row
/// alone: of the products with weights, and of all products (attention's too).
double ProductFlops(const VisionConfig& config);
double ExecutedFlops(const VisionConfig& config);
/// The same of one text of so many tokens; where the tower is causal, attention over half of them.
double ProductFlops(const TextConfig& config, int tokens);
double ExecutedFlops(const TextConfig& config, int tokens);

}  // namespace photovec::model
