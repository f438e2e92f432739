// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/result.h"
#include "device/cuda/plugin/device_memory.h"
#include "device/cuda/plugin/encode/device_weights.h"
#include "device/cuda/plugin/encode/gemm.h"

namespace photovec::device {

/// A stream's activations for up to max_batch images, in one arena. M = max_batch * T rows, in fp8
/// Fp8Rounded(); `e` elements.
struct Activations {
  float* x = nullptr;      ///< [M, D] residual stream
  void* normed = nullptr;  ///< e [M, D]; after attention what it gave
  void* qkv = nullptr;     ///< e [M, 3D]; later products that are D wide
  void* wide = nullptr;    ///< e [M, F]; first the patches [B*patches, patch_depth]
  void* pooled = nullptr;  ///< e [B, D]: class token rows
  void* query = nullptr;   ///< e [B, D]
  float* out = nullptr;    ///< [B, E]
  Fp8Rows fp8;             ///< [M, max(D, F)]: what the next product takes; only where the weights are fp8
  unsigned* counter = nullptr;

  static size_t Bytes(const DeviceWeights& weights, int max_batch);
  static Activations In(DeviceArena& arena, const DeviceWeights& weights, int max_batch);
};

/// The products of one bucket, planned.
struct BucketGemms {
  explicit BucketGemms(std::vector<Gemm> gemms);
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
  /// The shape of each, in the order of Which.
  static std::vector<GemmShape> Shapes(const DeviceWeights& weights, int images);
  Gemm& operator[](Which which) { return gemms[static_cast<size_t>(which)]; }
  std::vector<Gemm> gemms;
};

/// The forward pass of `images` images from patches in activations.wide to activations.out, launched on
/// context.stream (may be capturing). CLIPVisionTransformer.forward of HuggingFace transformers.
struct ForwardArgs {
  const DeviceWeights* weights = nullptr;
  const Activations* activations = nullptr;
  BucketGemms* gemms = nullptr;
  Gemm::Context context;
  int images = 0;
};
Status Forward(const ForwardArgs& args);

/// Only the products of Forward(), in its order: what a ceiling is measured with.
Status BareProducts(const ForwardArgs& args);

}  // namespace photovec::device
