// SPDX-License-Identifier: MIT
#include "device/cuda/plugin/encode/cuda_device_stream.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/quantile.h"
#include "device/cuda/plugin/cuda_check.h"
#include "device/cuda/plugin/encode/captured_graph.h"
#include "model/fold/fold.h"

namespace photovec::device {
namespace {

constexpr size_t kWorkspaceBytes = size_t{32} << 20;
constexpr int kRuns = 7;
constexpr double kMillisecondsPerRun = 20;  // launches and clocks then count little

struct Owned {
  cudaStream_t stream = nullptr;
  CapturedGraph graph;
  GraphTimer timer;

  ~Owned() {
    if (stream == nullptr) return;
    (void)cudaStreamSynchronize(stream);
    (void)cudaStreamDestroy(stream);
  }
  Status Create() {
    CUDA_OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    return timer.Create();
  }
  Result<float> Milliseconds(int launches) const { return timer.Milliseconds(graph, launches, stream); }

  // Of one launch, in seconds.
  Result<double> MedianSeconds() const {
    RETURN_IF_ERROR(Milliseconds(2).status());
    ASSIGN_OR_RETURN(const float one, Milliseconds(2));
    const int launches =
        std::clamp(static_cast<int>(kMillisecondsPerRun / std::max(one / 2, 1e-3F)), 2, 2000);
    std::vector<double> seconds;
    for (int run = 0; run < kRuns; ++run) {
      ASSIGN_OR_RETURN(const float milliseconds, Milliseconds(launches));
      seconds.push_back(static_cast<double>(milliseconds) * 1e-3 / launches);
    }
    return Median(std::move(seconds));
  }
};

Result<double> OfModel(const DeviceShared& shared, int images, Owned& owned) {
  const ImageWeights& weights = *shared.image;
  const BatchShape batch = weights.Batch(images);
  ASSIGN_OR_RETURN(DeviceArena arena,
                   DeviceArena::Create(Activations::Bytes(weights, batch) + kWorkspaceBytes));
  const Activations activations = Activations::In(arena, weights, batch);
  const Gemm::Context context{shared.handle, owned.stream, arena.Take<uint8_t>(kWorkspaceBytes),
                              kWorkspaceBytes};
  ASSIGN_OR_RETURN(BucketGemms gemms, PlanBucket(*shared.plans, weights, context, activations, batch));
  const ForwardArgs args{&weights, &weights, nullptr, &activations, &gemms, context, batch, {}};
  const int rows = batch.rows;
  const int d = weights.config().hidden_size;
  const int f = weights.config().mlp_size;
  // Real numbers in every input: products of zeros run faster.
  CUDA_OK(FillEqualRows(activations.normed, rows, d, weights.element(), owned.stream));
  CUDA_OK(FillEqualRows(activations.wide, rows, f, weights.element(), owned.stream));
  if (activations.gated != nullptr) {
    CUDA_OK(FillEqualRows(activations.gated, rows, f, weights.element(), owned.stream));
  }
  CUDA_OK(FillEqualRows(activations.pooled, images, d, weights.element(), owned.stream));
  if (weights.fp8()) {
    CUDA_OK(FillEqualFp8Rows(activations.fp8.values, Fp8Rounded(rows), std::max(d, f), owned.stream));
    CUDA_OK(FillFp8Scales(activations.fp8.scales, Fp8Rounded(rows), owned.stream));
  }
  RETURN_IF_ERROR(BareProducts(args));
  ASSIGN_OR_RETURN(owned.graph, CapturedGraph::Of(owned.stream, [&] { return BareProducts(args); }));
  ASSIGN_OR_RETURN(const double seconds, owned.MedianSeconds());
  return model::ProductFlops(weights.config()) * images / seconds;
}

// Real numbers, as one long row: those of a matrix differ from row to row.
Status FillSquare(const GemmShape& shape, void* matrix, float* scales, cudaStream_t stream) {
  if (!shape.fp8) {
    CUDA_OK(FillEqualRows(matrix, 1, shape.rows * shape.depth, shape.element, stream));
    return Status::Ok();
  }
  CUDA_OK(FillEqualFp8Rows(static_cast<uint8_t*>(matrix), 1, shape.rows * shape.depth, stream));
  CUDA_OK(FillFp8Scales(scales, shape.rows, stream));
  return Status::Ok();
}

Result<double> OfCube(const DeviceShared& shared, Owned& owned) {
  constexpr int kSide = 8192;
  const ImageWeights& weights = *shared.image;
  const GemmShape shape{kSide, kSide, kSide, weights.element(), false, false, weights.fp8()};
  const size_t bytes = size_t{kSide} * kSide * model::ElementBytes(shape.element);
  constexpr size_t kSmall = 2 * kSide * sizeof(float) + DeviceArena::kAlignment;
  ASSIGN_OR_RETURN(DeviceArena arena, DeviceArena::Create(3 * bytes + kWorkspaceBytes + kSmall));
  GemmPlans::Scratch scratch;
  scratch.x = arena.Take<uint8_t>(bytes);
  scratch.y = arena.Take<uint8_t>(bytes);
  auto* w_memory = arena.Take<uint8_t>(bytes);
  const Gemm::Context context{shared.handle, owned.stream, arena.Take<uint8_t>(kWorkspaceBytes),
                              kWorkspaceBytes};
  scratch.counter = arena.Take<unsigned>(1);
  scratch.x_scales = arena.Take<float>(kSide);
  auto* w_scales = arena.Take<float>(kSide);
  const DeviceMatrix w{w_memory, w_scales};
  scratch.weights = {&w, 1};
  RETURN_IF_ERROR(FillSquare(shape, w_memory, w_scales, owned.stream));
  ASSIGN_OR_RETURN(Gemm gemm, Gemm::Create(shape));
  RETURN_IF_ERROR(shared.plans->Plan(gemm, context, scratch));
  RETURN_IF_ERROR(FillSquare(shape, scratch.x, scratch.x_scales, owned.stream));
  ASSIGN_OR_RETURN(owned.graph,
                   CapturedGraph::Of(owned.stream, [&] { return gemm.Run(context, scratch.Operands(0)); }));
  ASSIGN_OR_RETURN(const double seconds, owned.MedianSeconds());
  return gemm.shape().flops() / seconds;
}

}  // namespace

Result<double> MeasureGemmCeiling(const DeviceShared& shared, int images) {
  CUDA_OK(cudaSetDevice(shared.device));
  Owned owned;
  RETURN_IF_ERROR(owned.Create());
  return images == 0 ? OfCube(shared, owned) : OfModel(shared, images, owned);
}

}  // namespace photovec::device
