// SPDX-License-Identifier: MIT
#include "device/cuda/plugin/encode/cuda_device_stream.h"

#include <algorithm>
#include <utility>

#include "device/cuda/plugin/cuda_check.h"
#include "device/cuda/plugin/kernels/kernels.h"
#include "device/cuda/plugin/nvtx_range.h"

namespace photovec::device {

namespace {

constexpr int kLeastTextRows = 16;  // of a bucket: a query of some words; fewer take as long

}  // namespace

std::vector<int> Buckets(int max_batch) {
  std::vector<int> sizes;
  for (int size = 1; size < max_batch; size *= 2) {
    sizes.push_back(size);
    if (size >= 16 && size * 3 / 2 < max_batch) sizes.push_back(size * 3 / 2);
  }
  sizes.push_back(max_batch);
  return sizes;
}

Result<BucketGemms> PlanBucket(GemmPlans& plans, const TowerWeights& weights, const Gemm::Context& context,
                               const Activations& activations, const BatchShape& batch) {
  const auto of_blocks = [&](DeviceMatrix DeviceBlock::*matrix, bool last) {
    std::vector<DeviceMatrix> all;
    for (const DeviceBlock& block : weights.blocks) {
      if ((&block == &weights.blocks.back()) == last) all.push_back(block.*matrix);
    }
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
  const int d = weights.transformer().hidden_size;
  BucketGemms planned;
  const auto shapes = BucketGemms::Shapes(weights, batch);
  for (size_t i = 0; i < shapes.size(); ++i) {
    planned.gemms.emplace_back();
    if (!shapes[i]) continue;
    const GemmShape& shape = *shapes[i];
    ASSIGN_OR_RETURN(Gemm gemm, Gemm::Create(shape));
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
    scratch.bias = i == BucketGemms::kQkv          ? weights.blocks.front().qkv_bias
                   : i == BucketGemms::kKeysValues ? weights.blocks.back().qkv_bias
                   : shape.out_f32                 ? static_cast<const void*>(weights.projection_bias)
                                                   : weights.blocks.back().q_bias;
    RETURN_IF_ERROR(plans.Plan(gemm, context, scratch));
    planned.gemms.back() = std::move(gemm);
  }
  return planned;
}

Result<std::unique_ptr<CudaDeviceStream>> CudaDeviceStream::Create(const DeviceShared& shared,
                                                                   const DeviceStreamOptions& options) {
  if (options.max_texts > 0 &&
      (shared.text == nullptr || options.max_text_tokens < shared.text->config().max_tokens)) {
    return Status(Code::kInternal,
                  "a stream for texts of a model without a text tower, or without room for one");
  }
  std::unique_ptr<CudaDeviceStream> stream(new CudaDeviceStream(shared, options));
  RETURN_IF_ERROR(stream->Allocate());
  if (options.max_batch > 0) {
    for (const int images : Buckets(options.max_batch)) {
      RETURN_IF_ERROR(stream->PrepareBucket(shared.image->Batch(images), false));
    }
  }
  for (const BatchShape& batch : stream->TextBatches()) {
    RETURN_IF_ERROR(stream->PrepareBucket(batch, true));
  }
  CUDA_OK(cudaStreamSynchronize(stream->compute_));
  shared.plans->Save();
  return stream;
}

CudaDeviceStream::CudaDeviceStream(const DeviceShared& shared, const DeviceStreamOptions& options)
    : shared_(shared), options_(options) {}

std::vector<BatchShape> CudaDeviceStream::TextBatches() const {
  std::vector<BatchShape> batches;
  if (options_.max_texts == 0) return batches;
  const int most = causal() ? options_.max_text_tokens : options_.max_texts;
  for (const int size : Buckets(most)) {
    if (!causal()) {
      batches.push_back({size * shared_.text->config().max_tokens, size, 0});
    } else if (size >= kLeastTextRows || size == most) {
      batches.push_back({size, std::min(size, options_.max_texts), 0});
    }
  }
  return batches;
}

CudaDeviceStream::~CudaDeviceStream() {
  (void)cudaSetDevice(shared_.device);
  // Whatever is still queued ends first; after a sticky error this returns at once.
  for (const cudaStream_t stream : {copies_, compute_}) {
    if (stream != nullptr) (void)cudaStreamSynchronize(stream);
  }
  buckets_.clear();
  text_buckets_.clear();
  for (const Side& side : sides_) {
    for (const cudaEvent_t event : {side.copied, side.begin, side.end, side.done}) {
      if (event != nullptr) (void)cudaEventDestroy(event);
    }
  }
  for (const cudaStream_t stream : {copies_, compute_}) {
    if (stream != nullptr) (void)cudaStreamDestroy(stream);
  }
  for (void* pinned : {static_cast<void*>(pinned_), static_cast<void*>(pinned_texts_)}) {
    if (pinned != nullptr) (void)cudaFreeHost(pinned);
  }
}

size_t CudaDeviceStream::slot_bytes() const {
  const auto size = static_cast<size_t>(shared_.image->config().image_size);
  return size * size * 3;
}

Status CudaDeviceStream::Allocate() {
  CUDA_OK(cudaSetDevice(shared_.device));
  const size_t side_pixels = static_cast<size_t>(options_.max_batch) * slot_bytes();
  const BatchShape images = shared_.image->Batch(options_.max_batch);
  const std::vector<BatchShape> text_batches = TextBatches();
  const BatchShape texts = text_batches.empty() ? BatchShape() : text_batches.back();
  size_t bytes = 2 * DeviceArena::Rounded(side_pixels) + kWorkspaceBytes;
  if (images.tail > 0) bytes += Activations::Bytes(*shared_.image, images);
  if (texts.tail > 0) {
    bytes += Activations::Bytes(*shared_.text, texts) + DeviceArena::Rounded(TextInputs::Bytes(texts));
  }
  ASSIGN_OR_RETURN(arena_, DeviceArena::Create(bytes));
  if (images.tail > 0) activations_ = Activations::In(arena_, *shared_.image, images);
  CUDA_OK(cudaHostAlloc(reinterpret_cast<void**>(&pinned_), 2 * most_items() * dim() * sizeof(float),
                        cudaHostAllocDefault));
  CUDA_OK(cudaStreamCreateWithFlags(&compute_, cudaStreamNonBlocking));
  CUDA_OK(cudaStreamCreateWithFlags(&copies_, cudaStreamNonBlocking));
  for (size_t i = 0; i < sides_.size(); ++i) RETURN_IF_ERROR(MakeSide(sides_[i], i));
  if (texts.tail > 0) {
    const size_t text_bytes = TextInputs::Bytes(texts);
    text_activations_ = Activations::In(arena_, *shared_.text, texts);
    text_inputs_ = arena_.Take<uint8_t>(text_bytes);
    CUDA_OK(cudaHostAlloc(reinterpret_cast<void**>(&pinned_texts_), 2 * DeviceArena::Rounded(text_bytes),
                          cudaHostAllocDefault));
    for (size_t i = 0; i < sides_.size(); ++i) {
      sides_[i].texts = pinned_texts_ + i * DeviceArena::Rounded(text_bytes);
    }
  }
  workspace_ = arena_.Take<uint8_t>(kWorkspaceBytes);
  if (workspace_ == nullptr) return {Code::kInternal, "the arena of a stream was made too small"};
  return Status::Ok();
}

Status CudaDeviceStream::MakeSide(Side& side, size_t index) {
  side.output = pinned_ + index * most_items() * dim();
  CUDA_OK(cudaEventCreateWithFlags(&side.copied, cudaEventDisableTiming));
  CUDA_OK(cudaEventCreate(&side.begin));
  CUDA_OK(cudaEventCreate(&side.end));
  CUDA_OK(cudaEventCreateWithFlags(&side.done, cudaEventDisableTiming));
  if (options_.max_batch == 0) return Status::Ok();
  const size_t side_pixels = static_cast<size_t>(options_.max_batch) * slot_bytes();
  side.pixels = arena_.Take<uint8_t>(side_pixels);
  // Buckets larger than a batch read images of before, so there must be some.
  CUDA_OK(cudaMemsetAsync(side.pixels, 0, side_pixels, compute_));
  return Status::Ok();
}

Status CudaDeviceStream::PrepareBucket(const BatchShape& batch, bool texts) {
  const TowerWeights& weights = texts ? static_cast<const TowerWeights&>(*shared_.text) : *shared_.image;
  const Activations& activations = texts ? text_activations_ : activations_;
  ASSIGN_OR_RETURN(BucketGemms gemms, PlanBucket(*shared_.plans, weights, context(), activations, batch));
  std::vector<Bucket>& buckets = texts ? text_buckets_ : buckets_;
  buckets.push_back({batch, std::move(gemms), CapturedGraph()});
  Bucket& bucket = buckets.back();
  ForwardArgs args{&weights,
                   texts ? nullptr : shared_.image,
                   texts ? shared_.text : nullptr,
                   &activations,
                   &bucket.gemms,
                   context(),
                   batch,
                   {}};
  if (texts) {
    args.inputs = TextInputs::In(text_inputs_, batch);
    FillTexts(TextInputs::In(sides_[0].texts, batch), batch, {});
    CUDA_OK(cudaMemcpyAsync(text_inputs_, sides_[0].texts, TextInputs::Bytes(batch), cudaMemcpyHostToDevice,
                            compute_));
  }
  RETURN_IF_ERROR(Forward(args));  // so that every kernel is loaded before it is captured
  ASSIGN_OR_RETURN(bucket.graph, CapturedGraph::Of(compute_, [&] { return Forward(args); }));
  CUDA_OK(cudaGraphUpload(bucket.graph.get(), compute_));
  if (texts) CUDA_OK(cudaStreamSynchronize(compute_));  // the next bucket fills the same pinned memory
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

Status CudaDeviceStream::Launch(Side& side, const Bucket& bucket, const Activations& activations,
                                size_t items) {
  CUDA_OK(cudaGraphLaunch(bucket.graph.get(), compute_));
  CUDA_OK(cudaEventRecord(side.end, compute_));
  CUDA_OK(cudaMemcpyAsync(side.output, activations.out, items * dim() * sizeof(float), cudaMemcpyDeviceToHost,
                          compute_));
  CUDA_OK(cudaEventRecord(side.done, compute_));
  return Status::Ok();
}

Status CudaDeviceStream::Start(int side_index, std::span<const PixelSlot> slots) {
  const NvtxRange range("start batch");
  Side& side = sides_[static_cast<size_t>(side_index)];
  const auto images = static_cast<int>(slots.size());
  const auto bucket = std::find_if(buckets_.begin(), buckets_.end(),
                                   [&](const Bucket& candidate) { return candidate.batch.tail >= images; });
  if (slots.empty() || bucket == buckets_.end()) {
    return {Code::kInternal, "a batch of " + std::to_string(slots.size()) +
                                 " images; the stream takes 1 to " + std::to_string(options_.max_batch)};
  }
  CUDA_OK(cudaSetDevice(shared_.device));
  RETURN_IF_ERROR(CopyPixels(side, slots));
  CUDA_OK(cudaStreamWaitEvent(compute_, side.copied, 0));
  CUDA_OK(cudaEventRecord(side.begin, compute_));
  const auto& config = shared_.image->config();
  PatchArgs patches;
  patches.pixels = side.pixels;
  patches.images = bucket->batch.tail;
  patches.image_size = config.image_size;
  patches.patch_size = config.patch_size;
  patches.depth = shared_.image->patch_depth();
  patches.scale = shared_.image->pixel_scale;
  patches.out = activations_.wide;
  CUDA_OK(Patches(patches, shared_.image->element(), compute_));
  return Launch(side, *bucket, activations_, slots.size());
}

// Rows and texts of the bucket beyond those of the batch are texts of one token, which is anything.
void CudaDeviceStream::FillTexts(const TextInputs& inputs, const BatchShape& batch, Texts texts) const {
  int row = 0;
  int count = 0;
  for (const std::span<const int32_t> text : texts) {
    const int first = row;
    for (const int32_t id : text) {
      inputs.ids[row] = id;
      inputs.places[row] = row - first;
      inputs.ranges[row] = {first, row + 1};
      ++row;
    }
    inputs.last[count] = row - 1;
    inputs.tail_ranges[count++] = {first, row};
  }
  for (; row < batch.rows; ++row) {
    inputs.ids[row] = 0;
    inputs.places[row] = 0;
    inputs.ranges[row] = {row, row + 1};
  }
  for (; count < batch.tail; ++count) {
    inputs.last[count] = 0;
    inputs.tail_ranges[count] = {0, 1};
  }
}

Status CudaDeviceStream::StartTexts(int side_index, Texts texts) {
  const NvtxRange range("start texts");
  Side& side = sides_[static_cast<size_t>(side_index)];
  size_t rows = 0;
  for (const std::span<const int32_t> text : texts) rows += text.size();
  const auto fits = [&](const Bucket& candidate) {
    return static_cast<size_t>(candidate.batch.rows) >= rows &&
           static_cast<size_t>(candidate.batch.tail) >= texts.size();
  };
  const auto bucket = std::find_if(text_buckets_.begin(), text_buckets_.end(), fits);
  if (texts.empty() || bucket == text_buckets_.end()) {
    return {Code::kInternal, "a batch of " + std::to_string(texts.size()) + " texts and " +
                                 std::to_string(rows) + " tokens; the stream takes 1 to " +
                                 std::to_string(options_.max_texts) + " and " +
                                 std::to_string(options_.max_text_tokens)};
  }
  FillTexts(TextInputs::In(side.texts, bucket->batch), bucket->batch, texts);
  CUDA_OK(cudaSetDevice(shared_.device));
  CUDA_OK(cudaEventRecord(side.begin, compute_));
  // On the stream that computes, since both sides' graphs read the same memory; it is some KB.
  CUDA_OK(cudaMemcpyAsync(text_inputs_, side.texts, TextInputs::Bytes(bucket->batch), cudaMemcpyHostToDevice,
                          compute_));
  return Launch(side, *bucket, text_activations_, texts.size());
}

Result<bool> CudaDeviceStream::Done(int side) {
  const cudaError_t state = cudaEventQuery(sides_[static_cast<size_t>(side)].done);
  if (state == cudaErrorNotReady) return false;
  CUDA_OK(state);
  return true;
}

std::span<const float> CudaDeviceStream::output(int side) const {
  return {sides_[static_cast<size_t>(side)].output, most_items() * dim()};
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
