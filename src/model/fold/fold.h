// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <vector>

#include "base/image.h"
#include "model/fold/element.h"
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
  std::vector<float>
      class_row;  ///< [D]: class token + its position, pre-norm applied; empty without class token
};
/// \param element the bias is computed from weights as rounded to this, so that rounding errors multiply
/// (pixel - mean), not the whole pixel.
FoldedPatch FoldPatch(const model::VisionModel& model, const PixelNormalization& normalization,
                      Element element);

struct FoldedBlock {
  /// Rows are grouped by head: HD rows of q, HD of k, HD of v of head 0, then of head 1, …
  /// q carries log2(e)/sqrt(HD); k has no bias (softmax does not see it); v's bias has moved into `out`.
  std::vector<float> qkv_weight;  ///< [3D, D]; of the last block `kv` alone: [2D, D]
  std::vector<float> q_weight;    ///< [D, D], last block only
  std::vector<float> q_bias;      ///< [D]
  FoldedLinear out;               ///< layer scale included
  FoldedLinear fc1;               ///< norm2 included
  FoldedLinear fc2;               ///< layer scale included
};
/// \param split_query true for the last block, where only the class token asks.
FoldedBlock FoldBlock(const model::VisionConfig& config, const model::Block& block, bool split_query);

/// Post-norm folded in. Call only if the model has a projection.
FoldedLinear FoldProjection(const model::VisionModel& model);

/// 2 x multiply-adds of one image as the fast backends compute it, the last block's tail for the pooled row
/// alone: of the products with weights, and of all products (attention's too).
double ProductFlops(const model::VisionConfig& config);
double ExecutedFlops(const model::VisionConfig& config);

}  // namespace photovec::model
