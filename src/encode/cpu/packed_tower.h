// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "base/image.h"
#include "base/result.h"
#include "encode/cpu/arena.h"
#include "encode/cpu/matmul.h"
#include "model/fold/fold.h"
#include "model/text_model.h"
#include "model/vision_model.h"

namespace photovec::encode::cpu {

struct PackedBlock {
  WeightMatrix qkv;               ///< [D, 3D], by head; of the last block [D, 2D]: keys and values
  WeightMatrix q;                 ///< [D, D], of the last block only, and not where its query is a constant
  WeightMatrix out;               ///< [D, D]
  WeightMatrix fc1;               ///< [D, F]
  WeightMatrix up;                ///< [D, F], of a gated MLP only
  WeightMatrix fc2;               ///< [F, D]
  const float* q_bias = nullptr;  ///< [D]; the constant query, where that is one
  const float* k_bias = nullptr;  ///< [D], with rotary positions only
  const float* out_bias = nullptr;
  const float* fc1_bias = nullptr;
  const float* up_bias = nullptr;
  const float* fc2_bias = nullptr;
};

/// How an image becomes rows.
struct PackedPatches {
  model::VisionConfig config;
  WeightMatrix patch;                  ///< [P*P*3, D]
  const float* position = nullptr;     ///< [patches, D]
  const float* prefix_rows = nullptr;  ///< [prefix_tokens, D]
  Affine pre_norm;                     ///< null: none
};

/// How a text becomes rows.
struct PackedTokens {
  model::TextConfig config;
  TensorView rows;                           ///< [V, D], in the mapped checkpoint
  std::shared_ptr<const void> rows_storage;  ///< keeps it mapped
  const float* position = nullptr;           ///< [max_tokens, D]
};

/// For which row of a sequence the tail of the last block is computed.
enum class TailRow {
  kFirst,     ///< the class token
  kLast,      ///< the end of a text
  kConstant,  ///< none of them: an attention pool
};

/// The one read-only copy of a tower's weights, folded and in oneDNN's form, in one arena. Refers to nothing
/// of the checkpoint but the token rows. Immutable after it is made; shared by all streams; must outlive
/// them.
class PackedTower {
 public:
  /// \param engine one for all towers that a stream computes.
  /// Errors: kUnavailable without memory; kInternal when oneDNN refuses a shape.
  static Result<std::unique_ptr<PackedTower>> OfImages(const dnnl::engine& engine,
                                                       const model::VisionModel& model,
                                                       const PixelNormalization& normalization,
                                                       model::Element element);
  static Result<std::unique_ptr<PackedTower>> OfTexts(const dnnl::engine& engine,
                                                      const model::TextModel& model, model::Element element);
  PackedTower(const PackedTower&) = delete;
  PackedTower& operator=(const PackedTower&) = delete;

  const model::TransformerConfig& config() const { return config_; }
  model::Element element() const { return element_; }
  const dnnl::engine& engine() const { return engine_; }
  uint64_t bytes() const { return arena_.used_bytes(); }

  /// A *group* is what is computed together: enough rows to feed the matrix kernels, few enough to stay in
  /// the caches. Products are planned for these numbers of rows, ascending; a group with fewer takes the
  /// next. A group is one image or text, and no product is ever cut, where oneDNN's kernels would let
  /// neighbours change each other's bits (see RowInvariant).
  std::vector<int> body_rows;
  std::vector<int> tail_rows;  ///< the same for the tail of the last block: one row a sequence
  int group_sequences = 1;     ///< images or texts of one group at most

  std::optional<PackedPatches> patches;  ///< one of these two
  std::optional<PackedTokens> tokens;
  TailRow tail = TailRow::kFirst;
  bool causal = false;
  std::vector<PackedBlock> blocks;    ///< an attention pool is one more, the last
  const float* rotary_cos = nullptr;  ///< [patches, HD/2], or null
  const float* rotary_sin = nullptr;
  int embedding_dim = 0;
  WeightMatrix projection;
  const float* projection_bias = nullptr;  ///< [embedding_dim]; null: no projection
  bool last_norm = true;   ///< rows are normed before the last block: not so for a pool over bare rows
  bool final_norm = true;  ///< the tail's row is normed behind it: not so behind a pool
  Affine post_norm;        ///< of final_norm, where it could not be folded into a projection

 private:
  PackedTower(const dnnl::engine& engine, const model::TransformerConfig& config, model::Element element);
  const WeightLayout& Layout(int depth, int columns) const { return *layouts_.at({depth, columns}); }
  void ChooseLayouts(int projection_dim);
  void AddLayouts(int projection_dim, Primitive primitive, bool in_steps = false);
  bool RowInvariantLayouts() const;
  size_t TotalBytes() const;
  void PackImages(const model::VisionModel& model, const PixelNormalization& normalization);
  void PackTexts(const model::TextModel& model);
  void PackBlock(const model::FoldedBlock& folded, bool last);
  void PackProjection(const model::FoldedLinear& folded);
  WeightMatrix PackMatrix(int depth, int columns, std::span<const float> weight);
  const float* Keep(std::span<const float> values);
  Affine KeepNorm(const model::Norm& norm);

  model::TransformerConfig config_;
  model::Element element_;
  dnnl::engine engine_;
  std::map<std::pair<int, int>, std::unique_ptr<WeightLayout>> layouts_;  // by (K, N)
  Arena arena_;
};

}  // namespace photovec::encode::cpu
