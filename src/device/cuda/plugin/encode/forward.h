// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"
#include "device/cuda/plugin/device_memory.h"
#include "device/cuda/plugin/encode/device_weights.h"
#include "device/cuda/plugin/encode/gemm.h"

namespace photovec::device {

/// A stream's activations for batches of up to some shape, in one arena. M = shape.rows, in fp8 Fp8Rounded();
/// B = shape.tail; `e` elements.
struct Activations {
  float* x = nullptr;      ///< [M, D] residual stream
  void* normed = nullptr;  ///< e [M, D]; after attention what it gave
  void* qkv = nullptr;     ///< e [M, 3D]; later products that are D wide
  void* wide = nullptr;    ///< e [M, G]; first the patches [shape.patches, patch_depth]
  void* gated = nullptr;   ///< e [M, F] where the MLP is gated
  void* pooled = nullptr;  ///< e [B, D]: the rows of the tail
  void* query = nullptr;   ///< e [B, D]
  float* tail = nullptr;   ///< [B, D]: their residual stream, where that is not rows of x
  float* out = nullptr;    ///< [B, E]
  Fp8Rows fp8;             ///< [M, max(D, F)]: what the next product takes; only where the weights are fp8
  unsigned* counter = nullptr;

  static size_t Bytes(const TowerWeights& weights, const BatchShape& most);
  static Activations In(DeviceArena& arena, const TowerWeights& weights, const BatchShape& most);
};

/// The products of one bucket, planned.
struct BucketGemms {
  enum Which {
    kPatch,
    kQkv,
    kOut,
    kFc1,
    kFc2,
    kKeysValues,
    kPooledQuery,
    kPooledOut,
    kPooledFc1,
    kPooledFc2,
    kProjection
  };
  /// The shape of each, in the order of Which; nothing for those that the tower has not.
  static std::vector<std::optional<GemmShape>> Shapes(const TowerWeights& weights, const BatchShape& batch);
  Gemm& operator[](Which which) { return *gemms[static_cast<size_t>(which)]; }
  std::vector<std::optional<Gemm>> gemms;
};

/// What a batch of texts is, in memory of the host or of the device. Texts lie one behind the other; rows and
/// texts beyond those of the batch are texts of one token 0.
struct TextInputs {
  int2* ranges = nullptr;       ///< [rows]: whom each row sees (RangeAttentionArgs)
  int2* tail_ranges = nullptr;  ///< [tail]: whom the last row of each text sees
  int* ids = nullptr;           ///< [rows]
  int* places = nullptr;        ///< [rows]: of its text
  int* last = nullptr;          ///< [tail]: the row that each text ends in

  static size_t Bytes(const BatchShape& batch);
  /// \param memory of Bytes(batch), 8-byte aligned.
  static TextInputs In(void* memory, const BatchShape& batch);
};

/// The forward pass of a batch to activations.out, launched on context.stream (may be capturing): of images
/// from patches in activations.wide, of texts from `inputs`. CLIPVisionTransformer.forward and
/// CLIPTextTransformer.forward of HuggingFace transformers, and what other families have in their place.
struct ForwardArgs {
  const TowerWeights* weights = nullptr;  ///< `image` or `text`
  const ImageWeights* image = nullptr;
  const TextWeights* text = nullptr;
  const Activations* activations = nullptr;
  BucketGemms* gemms = nullptr;
  Gemm::Context context;
  BatchShape batch;
  TextInputs inputs;  ///< on the device
};
Status Forward(const ForwardArgs& args);

/// Only the products of Forward(), in its order: what a ceiling is measured with.
Status BareProducts(const ForwardArgs& args);

}  // namespace photovec::device
