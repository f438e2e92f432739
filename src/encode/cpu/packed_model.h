// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <vector>

#include "base/image.h"
#include "base/result.h"
#include "encode/cpu/arena.h"
#include "encode/cpu/matmul.h"
#include "model/vision_model.h"

namespace photovec::encode::cpu {

struct PackedBlock {
  WeightMatrix qkv;  ///< [D, 3D], by head; of the last block [D, 2D]: keys and values
  WeightMatrix q;    ///< [D, D], last block only
  WeightMatrix out;  ///< [D, D]
  WeightMatrix fc1;  ///< [D, F]
  WeightMatrix fc2;  ///< [F, D]
  const float* q_bias = nullptr;
  const float* out_bias = nullptr;
  const float* fc1_bias = nullptr;
  const float* fc2_bias = nullptr;
};

/// The one read-only copy of a model's weights, folded and in oneDNN's form, in one arena. Refers to nothing
/// of the checkpoint. Immutable after Create(); shared by all streams; must outlive them.
class PackedModel {
 public:
  /// Errors: kUnavailable without memory; kInternal when oneDNN refuses a shape.
  static Result<std::unique_ptr<PackedModel>> Create(const model::VisionModel& model,
                                                     const PixelNormalization& normalization,
                                                     model::Element element);
  PackedModel(const PackedModel&) = delete;
  PackedModel& operator=(const PackedModel&) = delete;

  const model::VisionConfig& config() const { return config_; }
  model::Element element() const { return element_; }
  const dnnl::engine& engine() const { return engine_; }
  uint64_t bytes() const { return arena_.used_bytes(); }
  /// Images whose rows are computed together by one thread: enough to feed the matrix kernels, few enough to
  /// stay in the caches. 1, and no product is ever cut, where oneDNN's kernels would let images of one batch
  /// change each other's bits (see RowInvariant).
  int group_images() const { return group_images_; }

  WeightMatrix patch;
  const float* position = nullptr;   ///< [patches, D]
  const float* class_row = nullptr;  ///< [D] or null
  Affine pre_norm;                   ///< null: none
  std::vector<PackedBlock> blocks;
  WeightMatrix projection;
  const float* projection_bias = nullptr;
  Affine post_norm;  ///< only where it could not be folded into a projection

 private:
  PackedModel(const model::VisionConfig& config, model::Element element);
  const WeightLayout& Layout(int depth, int columns) const { return *layouts_.at({depth, columns}); }
  void AddLayouts(Primitive primitive, bool in_steps = false);
  bool RowInvariantLayouts() const;
  size_t TotalBytes() const;
  void Pack(const model::VisionModel& model, const PixelNormalization& normalization);
  WeightMatrix PackMatrix(int depth, int columns, std::span<const float> weight);
  const float* Keep(std::span<const float> values);
  Affine KeepNorm(const model::Norm& norm);

  model::VisionConfig config_;
  model::Element element_;
  dnnl::engine engine_;
  std::map<std::pair<int, int>, std::unique_ptr<WeightLayout>> layouts_;  // by (K, N)
  Arena arena_;
  int group_images_ = 1;
};

}  // namespace photovec::encode::cpu
