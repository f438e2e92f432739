// SPDX-License-Identifier: MIT
#pragma once

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
  const DeviceWeights* weights = nullptr;
  GemmPlans* plans = nullptr;
  cudaEvent_t clock = nullptr;  ///< recorded by StartClock()
};

/// Batch sizes that get a CUDA graph: powers of two, from 16 on also the middle between two, and max_batch.
std::vector<int> Buckets(int max_batch);

/// The products of a bucket, planned on the (idle) stream of `context`; uses `activations` as scratch.
Result<BucketGemms> PlanBucket(const DeviceShared& shared, const Gemm::Context& context,
                               const Activations& activations, int images);

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
  Result<bool> Done(int side) override;
  std::span<const float> output(int side) const override;
  DeviceSpan Span(int side) const override;

 private:
  struct Side {
    uint8_t* pixels = nullptr;  // [max_batch, S, S, 3] on the device
    float* output = nullptr;    // [max_batch, E] pinned
    cudaEvent_t copied = nullptr;
    cudaEvent_t begin = nullptr;  // of the compute; with times
    cudaEvent_t end = nullptr;    // of the compute; with times
    cudaEvent_t done = nullptr;   // the output is there
  };
  struct Bucket {
    int images = 0;
    BucketGemms gemms;
    CapturedGraph graph;
  };

  CudaDeviceStream(const DeviceShared& shared, int max_batch);
  Status Allocate();
  Status PrepareBucket(int images);
  Status CopyPixels(Side& side, std::span<const PixelSlot> slots);
  Gemm::Context context() const { return {shared_.handle, compute_, workspace_, kWorkspaceBytes}; }
  size_t slot_bytes() const;

  // Enough for every algorithm that cuBLASLt offers on Hopper (its documentation recommends 32 MiB there).
  static constexpr size_t kWorkspaceBytes = size_t{32} << 20;

  const DeviceShared shared_;
  const int max_batch_;
  DeviceArena arena_;
  Activations activations_;
  void* workspace_ = nullptr;
  float* pinned_ = nullptr;
  cudaStream_t compute_ = nullptr;
  cudaStream_t copies_ = nullptr;
  std::array<Side, 2> sides_;
  std::vector<Bucket> buckets_;  // by size
};

}  // namespace photovec::device
