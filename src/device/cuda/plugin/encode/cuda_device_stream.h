// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "device/cuda/platform.h"
#include "device/cuda/plugin/device_memory.h"
#include "device/cuda/plugin/encode/captured_graph.h"
#include "device/cuda/plugin/encode/device_weights.h"
#include "device/cuda/plugin/encode/forward.h"
#include "device/cuda/plugin/encode/gemm.h"

namespace photovec::device {

/// What all streams of a device share. Borrowed; outlives them.
struct DeviceShared {
  int device = 0;
  cublasLtHandle_t handle = nullptr;
  const ImageWeights* image = nullptr;
  const TextWeights* text = nullptr;  ///< null: no text tower
  GemmPlans* plans = nullptr;
  cudaEvent_t clock = nullptr;  ///< recorded by StartClock()
};

/// Batch sizes that get a CUDA graph: powers of two, from 16 on also the middle between two, and max_batch.
std::vector<int> Buckets(int max_batch);

/// The products of a bucket, planned on the (idle) stream of `context`; uses `activations` as scratch.
Result<BucketGemms> PlanBucket(GemmPlans& plans, const TowerWeights& weights, const Gemm::Context& context,
                               const Activations& activations, const BatchShape& batch);

/// FLOP/s of nothing but the products of `images` images, back to back, with the encoder's weights and plans;
/// of one 8192 x 8192 x 8192 product of the element when images is 0. Median of several runs by CUDA events.
Result<double> MeasureGemmCeiling(const DeviceShared& shared, int images);

/// Device and pinned memory, two CUDA streams (compute and copies) and a graph per bucket. See DeviceStream.
class CudaDeviceStream final : public DeviceStream {
 public:
  static Result<std::unique_ptr<CudaDeviceStream>> Create(const DeviceShared& shared,
                                                          const DeviceStreamOptions& options);
  ~CudaDeviceStream() override;

  Status Start(int side, std::span<const PixelSlot> slots) override;
  Status StartTexts(int side, std::span<const std::span<const int32_t>> texts) override;
  Result<bool> Done(int side) override;
  std::span<const float> output(int side) const override;
  DeviceSpan Span(int side) const override;

 private:
  using Texts = std::span<const std::span<const int32_t>>;
  struct Side {
    uint8_t* pixels = nullptr;  // [max_batch, S, S, 3] on the device
    float* output = nullptr;    // [max(max_batch, max_texts), E] pinned
    uint8_t* texts = nullptr;   // TextInputs of the largest bucket, pinned
    cudaEvent_t copied = nullptr;
    cudaEvent_t begin = nullptr;  // of the compute; with times
    cudaEvent_t end = nullptr;    // of the compute; with times
    cudaEvent_t done = nullptr;   // the output is there
  };
  struct Bucket {
    BatchShape batch;
    BucketGemms gemms;
    CapturedGraph graph;
  };

  CudaDeviceStream(const DeviceShared& shared, const DeviceStreamOptions& options);
  Status Allocate();
  Status MakeSide(Side& side, size_t index);
  Status PrepareBucket(const BatchShape& batch, bool texts);
  Status CopyPixels(Side& side, std::span<const PixelSlot> slots);
  void FillTexts(const TextInputs& inputs, const BatchShape& batch, Texts texts) const;
  /// The graph, the copy of `items` vectors of it, and the events around them.
  Status Launch(Side& side, const Bucket& bucket, const Activations& activations, size_t items);
  Gemm::Context context() const { return {shared_.handle, compute_, workspace_, kWorkspaceBytes}; }
  size_t slot_bytes() const;
  size_t dim() const { return static_cast<size_t>(shared_.image->embedding_dim()); }
  size_t most_items() const { return static_cast<size_t>(std::max(options_.max_batch, options_.max_texts)); }
  bool causal() const { return shared_.text->config().causal; }
  /// From the smallest to the largest that the options allow.
  std::vector<BatchShape> TextBatches() const;

  // Enough for every algorithm that cuBLASLt offers on Hopper (its documentation recommends 32 MiB there).
  static constexpr size_t kWorkspaceBytes = size_t{32} << 20;

  const DeviceShared shared_;
  const DeviceStreamOptions options_;
  DeviceArena arena_;
  Activations activations_;         // of images
  Activations text_activations_;    // of texts
  uint8_t* text_inputs_ = nullptr;  // as Side::texts, on the device
  uint8_t* pinned_texts_ = nullptr;
  void* workspace_ = nullptr;
  float* pinned_ = nullptr;
  cudaStream_t compute_ = nullptr;
  cudaStream_t copies_ = nullptr;
  std::array<Side, 2> sides_;
  std::vector<Bucket> buckets_;       // by size
  std::vector<Bucket> text_buckets_;  // by size
};

}  // namespace photovec::device
