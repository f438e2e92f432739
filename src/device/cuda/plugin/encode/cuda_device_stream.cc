// SPDX-License-Identifier: MIT
#include "device/cuda/plugin/encode/cuda_device_stream.h"

#include <algorithm>
#include <utility>

#include "device/cuda/plugin/cuda_check.h"
#include "device/cuda/plugin/kernels/kernels.h"
#include "device/cuda/plugin/nvtx_range.h"

namespace photovec::device {

std::vector<int> Buckets(int max_batch) {
  std::vector<int> sizes;
  for (int size = 1; size < max_batch; size *= 2) {
    sizes.push_back(size);
    if (size >= 16 && size * 3 / 2 < max_batch) sizes.push_back(size * 3 / 2);
  }
  sizes.push_back(max_batch);
  return sizes;
}

Result<BucketGemms> PlanBucket(const DeviceShared& shared, const Gemm::Context& context,
                               const Activations& activations, int images) {
  const DeviceWeights& weights = *shared.weights;
  const auto of_blocks = [&](DeviceMatrix DeviceBlock::*matrix, bool last) {
    std::vector<DeviceMatrix> all;
    for (const DeviceBlock& block : weights.blocks) {
      if ((&block == &weights.blocks.back()) == last) all.push_back(block.*matrix);
    }
    if (all.empty()) all.push_back(weights.blocks.back().*matrix);  // a model of one block
    return all;
  };
  // In the order of BucketGemms::Which.
  const std::vector<std::vector<DeviceMatrix>> matrices = {{weights.patch},
                                                           of_blocks(&DeviceBlock::qkv, false),
                                                           of_blocks(&DeviceBlock::out, false),
                                                           of_blocks(&DeviceBlock::fc1, false),
                                                           of_blocks(&DeviceBlock::fc2, false),
                                                           of_blocks(&DeviceBlock::qkv, true),
                                                           of_blocks(&DeviceBlock::q, true),
                                                           of_blocks(&DeviceBlock::out, true),
                                                           of_blocks(&DeviceBlock::fc1, true),
                                                           of_blocks(&DeviceBlock::fc2, true),
                                                           {weights.projection}};
  const int d = weights.config().hidden_size;
  const bool one_block = weights.blocks.size() == 1;
  std::vector<Gemm> gemms;
  const std::vector<GemmShape> shapes = BucketGemms::Shapes(weights, images);
  for (size_t i = 0; i < shapes.size(); ++i) {
    const GemmShape& shape = shapes[i];
    ASSIGN_OR_RETURN(Gemm gemm, Gemm::Create(shape));
    const bool unused = one_block && i >= BucketGemms::kQkv && i <= BucketGemms::kFc2;
    if (!unused) {
      GemmPlans::Scratch scratch;
      scratch.x = shape.fp8         ? static_cast<void*>(activations.fp8.values)
                  : shape.depth > d ? activations.wide
                                    : activations.normed;
      scratch.x_scales = activations.fp8.scales;
      scratch.y = shape.out_f32 ? static_cast<void*>(activations.out)
                                : (shape.columns > 3 * d ? activations.wide : activations.qkv);
      scratch.counter = activations.counter;
      scratch.weights = matrices[i];
      // Any vector of the right type and length does.
      scratch.bias = i == BucketGemms::kQkv ? weights.blocks.front().qkv_bias
                     : shape.out_f32        ? static_cast<const void*>(weights.projection_bias)
                                            : weights.blocks.back().q_bias;
      RETURN_IF_ERROR(shared.plans->Plan(gemm, context, scratch));
    }
    gemms.push_back(std::move(gemm));
  }
  return BucketGemms(std::move(gemms));
}

Result<std::unique_ptr<CudaDeviceStream>> CudaDeviceStream::Create(const DeviceShared& shared,
                                                                   const DeviceStreamOptions& options) {
  std::unique_ptr<CudaDeviceStream> stream(new CudaDeviceStream(shared, options.max_batch));
  RETURN_IF_ERROR(stream->Allocate());
  for (const int images : Buckets(options.max_batch)) RETURN_IF_ERROR(stream->PrepareBucket(images));
  CUDA_OK(cudaStreamSynchronize(stream->compute_));
  shared.plans->Save();
  return stream;
}

CudaDeviceStream::CudaDeviceStream(const DeviceShared& shared, int max_batch)
    : shared_(shared), max_batch_(max_batch) {}

CudaDeviceStream::~CudaDeviceStream() {
  (void)cudaSetDevice(shared_.device);
  // Whatever is still queued ends first; after a sticky error this returns at once.
  for (const cudaStream_t stream : {copies_, compute_}) {
    if (stream != nullptr) (void)cudaStreamSynchronize(stream);
  }
  buckets_.clear();
  for (const Side& side : sides_) {
    for (const cudaEvent_t event : {side.copied, side.begin, side.end, side.done}) {
      if (event != nullptr) (void)cudaEventDestroy(event);
    }
  }
  for (const cudaStream_t stream : {copies_, compute_}) {
    if (stream != nullptr) (void)cudaStreamDestroy(stream);
  }
  if (pinned_ != nullptr) (void)cudaFreeHost(pinned_);
}

size_t CudaDeviceStream::slot_bytes() const {
  const auto size = static_cast<size_t>(shared_.weights->config().image_size);
  return size * size * 3;
}

Status CudaDeviceStream::Allocate() {
  CUDA_OK(cudaSetDevice(shared_.device));
  const auto batch = static_cast<size_t>(max_batch_);
  const size_t side_pixels = batch * slot_bytes();
  const size_t side_floats = batch * static_cast<size_t>(shared_.weights->config().embedding_dim());
  ASSIGN_OR_RETURN(arena_,
                   DeviceArena::Create(2 * DeviceArena::Rounded(side_pixels) +
                                       Activations::Bytes(*shared_.weights, max_batch_) + kWorkspaceBytes));
  activations_ = Activations::In(arena_, *shared_.weights, max_batch_);
  CUDA_OK(cudaHostAlloc(reinterpret_cast<void**>(&pinned_), 2 * side_floats * sizeof(float),
                        cudaHostAllocDefault));
  CUDA_OK(cudaStreamCreateWithFlags(&compute_, cudaStreamNonBlocking));
  CUDA_OK(cudaStreamCreateWithFlags(&copies_, cudaStreamNonBlocking));
  for (size_t i = 0; i < sides_.size(); ++i) {
    Side& side = sides_[i];
    side.pixels = arena_.Take<uint8_t>(side_pixels);
    side.output = pinned_ + i * side_floats;
    CUDA_OK(cudaEventCreateWithFlags(&side.copied, cudaEventDisableTiming));
    CUDA_OK(cudaEventCreate(&side.begin));
    CUDA_OK(cudaEventCreate(&side.end));
    CUDA_OK(cudaEventCreateWithFlags(&side.done, cudaEventDisableTiming));
    // Buckets larger than a batch read images of before, so there must be some.
    CUDA_OK(cudaMemsetAsync(side.pixels, 0, side_pixels, compute_));
  }
  workspace_ = arena_.Take<uint8_t>(kWorkspaceBytes);
  if (workspace_ == nullptr) return {Code::kInternal, "the arena of a stream was made too small"};
  return Status::Ok();
}

Status CudaDeviceStream::PrepareBucket(int images) {
  ASSIGN_OR_RETURN(BucketGemms gemms, PlanBucket(shared_, context(), activations_, images));
  buckets_.push_back({images, std::move(gemms), CapturedGraph()});
  Bucket& bucket = buckets_.back();
  const ForwardArgs args{shared_.weights, &activations_, &bucket.gemms, context(), images};
  RETURN_IF_ERROR(Forward(args));  // so that every kernel is loaded before it is captured
  ASSIGN_OR_RETURN(bucket.graph, CapturedGraph::Of(compute_, [&] { return Forward(args); }));
  CUDA_OK(cudaGraphUpload(bucket.graph.get(), compute_));
  return Status::Ok();
}

// Slots that lie side by side in the pinned arena go as one copy; pieces of device memory may not be taken
// together.
Status CudaDeviceStream::CopyPixels(Side& side, std::span<const PixelSlot> slots) {
  const size_t bytes = slot_bytes();
  for (size_t first = 0; first < slots.size();) {
    size_t last = first + 1;
    while (last < slots.size() && slots[last].device == PixelSlot::kHost &&
           slots[first].device == PixelSlot::kHost && slots[last].data == slots[last - 1].data + bytes) {
      ++last;
    }
    CUDA_OK(cudaMemcpyAsync(side.pixels + first * bytes, slots[first].data, (last - first) * bytes,
                            cudaMemcpyDefault, copies_));
    first = last;
  }
  CUDA_OK(cudaEventRecord(side.copied, copies_));
  return Status::Ok();
}

Status CudaDeviceStream::Start(int side_index, std::span<const PixelSlot> slots) {
  const NvtxRange range("start batch");
  Side& side = sides_[static_cast<size_t>(side_index)];
  const auto images = static_cast<int>(slots.size());
  const auto bucket = std::find_if(buckets_.begin(), buckets_.end(),
                                   [&](const Bucket& candidate) { return candidate.images >= images; });
  if (slots.empty() || bucket == buckets_.end()) {
    return {Code::kInternal, "a batch of " + std::to_string(slots.size()) +
                                 " images; the stream takes 1 to " + std::to_string(max_batch_)};
  }
  CUDA_OK(cudaSetDevice(shared_.device));
  RETURN_IF_ERROR(CopyPixels(side, slots));
  CUDA_OK(cudaStreamWaitEvent(compute_, side.copied, 0));
  CUDA_OK(cudaEventRecord(side.begin, compute_));
  const auto& config = shared_.weights->config();
  PatchArgs patches;
  patches.pixels = side.pixels;
  patches.images = bucket->images;
  patches.image_size = config.image_size;
  patches.patch_size = config.patch_size;
  patches.depth = shared_.weights->patch_depth();
  patches.scale = shared_.weights->pixel_scale;
  patches.out = activations_.wide;
  CUDA_OK(Patches(patches, shared_.weights->element(), compute_));
  CUDA_OK(cudaGraphLaunch(bucket->graph.get(), compute_));
  CUDA_OK(cudaEventRecord(side.end, compute_));
  const size_t floats = slots.size() * static_cast<size_t>(config.embedding_dim());
  CUDA_OK(cudaMemcpyAsync(side.output, activations_.out, floats * sizeof(float), cudaMemcpyDeviceToHost,
                          compute_));
  CUDA_OK(cudaEventRecord(side.done, compute_));
  return Status::Ok();
}

Result<bool> CudaDeviceStream::Done(int side) {
  const cudaError_t state = cudaEventQuery(sides_[static_cast<size_t>(side)].done);
  if (state == cudaErrorNotReady) return false;
  CUDA_OK(state);
  return true;
}

std::span<const float> CudaDeviceStream::output(int side) const {
  return {sides_[static_cast<size_t>(side)].output,
          static_cast<size_t>(max_batch_) * static_cast<size_t>(shared_.weights->config().embedding_dim())};
}

DeviceSpan CudaDeviceStream::Span(int side) const {
  const Side& events = sides_[static_cast<size_t>(side)];
  float begin = 0;
  float end = 0;
  if (cudaEventElapsedTime(&begin, shared_.clock, events.begin) != cudaSuccess ||
      cudaEventElapsedTime(&end, shared_.clock, events.end) != cudaSuccess) {
    (void)cudaGetLastError();  // asked before the first batch, or before StartClock()
    return {};
  }
  return {static_cast<double>(begin) * 1000, static_cast<double>(end) * 1000};
}

}  // namespace photovec::device
