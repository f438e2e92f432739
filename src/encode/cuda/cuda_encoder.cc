// SPDX-License-Identifier: MIT
#include "encode/cuda/cuda_encoder.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "base/log.h"
#include "device/cuda/loader.h"
#include "model/fold/fold.h"

namespace photovec::encode::cuda {
namespace {

constexpr int kDefaultBatch = 256;
constexpr int kMostBatch = 1024;
constexpr int kMostStreams = 64;

Status CheckOptions(const EncoderOptions& options) {
  if (options.streams < 0 || options.streams > kMostStreams) {
    return {Code::kInvalidRequest, "streams must be 0 (automatic) to " + std::to_string(kMostStreams) +
                                       " on GPUs, not " + std::to_string(options.streams)};
  }
  if (options.max_batch < 0 || options.max_batch > kMostBatch) {
    return {Code::kInvalidRequest, "max_batch must be 0 (automatic) to " + std::to_string(kMostBatch) +
                                       ", not " + std::to_string(options.max_batch)};
  }
  if (options.streams > 0 && static_cast<size_t>(options.streams) < options.devices.size()) {
    return {Code::kInvalidRequest, std::to_string(options.devices.size()) +
                                       " GPUs need as many streams, not " + std::to_string(options.streams) +
                                       ": use more streams or fewer GPUs"};
  }
  return Status::Ok();
}

}  // namespace

Result<std::unique_ptr<CudaEncoder>> CudaEncoder::Create(device::Platform& platform,
                                                         const model::VisionModel& model,
                                                         const EncoderOptions& options,
                                                         const Settings& settings) {
  RETURN_IF_ERROR(CheckOptions(options));
  const Precision precision = options.precision == Precision::kAuto ? Precision::kF16 : options.precision;
  std::unique_ptr<CudaEncoder> encoder(new CudaEncoder());
  device::DeviceModelOptions device_options;
  device_options.precision = precision;
  device_options.normalization = options.normalization;
  device_options.plan_cache = options.plan_cache;
  device_options.log = [](const std::string& text) { log::info("CUDA: {}", text); };
  const std::vector<int> wanted = options.devices.empty() ? std::vector<int>{0} : options.devices;
  for (const int device : wanted) {
    auto loaded = platform.Load(device, model, device_options);
    if (loaded.status().code() == Code::kDeviceOutOfMemory) {
      return Status(Code::kUnavailable,
                    "GPU " + std::to_string(device) +
                        " has no room for the model's weights: " + loaded.status().message());
    }
    if (!loaded.ok()) return loaded.status();
    encoder->devices_.push_back({std::move(*loaded), std::make_unique<DeviceHealth>()});
  }
  const int streams =
      options.streams > 0 ? options.streams : kStreamsPerDevice * static_cast<int>(wanted.size());
  int max_batch = options.max_batch > 0 ? options.max_batch : kDefaultBatch;
  Status made = encoder->MakeStreams(streams, max_batch, settings);
  while (made.code() == Code::kDeviceOutOfMemory && max_batch > 1) {
    log::warn("the GPU has no memory for {} streams with batches of {}: trying {} ({})", streams, max_batch,
              max_batch / 2, made.message());
    max_batch /= 2;
    made = encoder->MakeStreams(streams, max_batch, settings);
  }
  if (made.code() == Code::kDeviceOutOfMemory) {
    return Status(Code::kUnavailable,
                  "the GPU has no memory for " + std::to_string(streams) +
                      " streams, not even with batches of 1: use fewer streams, or a smaller model (" +
                      made.message() + ")");
  }
  RETURN_IF_ERROR(made);
  encoder->Describe(model.config, precision, max_batch);
  return encoder;
}

CudaEncoder::~CudaEncoder() {
  streams_.clear();
  for (Device& device : devices_) {
    if (device.health->hangs()) (void)device.model.release();
  }
}

Status CudaEncoder::MakeStreams(int streams, int max_batch, const Settings& settings) {
  streams_.clear();
  for (int i = 0; i < streams; ++i) {
    Device& device = devices_[static_cast<size_t>(i) % devices_.size()];
    ASSIGN_OR_RETURN(auto stream, device.model->CreateStream({max_batch}));
    CudaStreamOptions options;
    options.index = i;
    options.max_batch = max_batch;
    options.dim = static_cast<int>(stream->output(0).size()) / max_batch;
    options.least_patience = settings.least_patience;
    streams_.push_back(std::make_unique<CudaStream>(std::move(stream), *device.health, options));
  }
  return Status::Ok();
}

void CudaEncoder::Describe(const model::VisionConfig& config, Precision precision, int max_batch) {
  info_.backend = "cuda";
  info_.precision = NameOf(precision);
  for (const Device& device : devices_) {
    const device::DeviceInfo& gpu = device.model->device();
    info_.detail +=
        (info_.detail.empty() ? "" : " + ") + gpu.name + " (cuda:" + std::to_string(gpu.index) + ")";
    info_.packed_bytes += device.model->weight_bytes();
  }
  info_.detail += ", " + devices_.front().model->device().runtime + ", " + std::to_string(streams_.size()) +
                  (streams_.size() == 1 ? " stream" : " streams");
  info_.image_size = config.image_size;
  info_.embedding_dim = config.embedding_dim();
  info_.max_batch = max_batch;
  info_.executed_flops_per_image = model::ExecutedFlops(config);
}

Status CudaEncoder::Warmup() {
  const auto size = static_cast<size_t>(info_.image_size);
  const std::vector<uint8_t> pixels(size * size * 3, 128);
  const std::vector<PixelSlot> slots(static_cast<size_t>(info_.max_batch),
                                     PixelSlot{pixels.data(), PixelSlot::kHost});
  const auto dim = static_cast<size_t>(info_.embedding_dim);
  std::vector<float> out(slots.size() * dim);
  for (const auto& stream : streams_) {
    for (const size_t batch : {slots.size(), size_t{1}}) {
      ASSIGN_OR_RETURN(const Ticket ticket,
                       stream->Submit(std::span(slots).first(batch), std::span(out).first(batch * dim)));
      RETURN_IF_ERROR(stream->Wait(ticket));
    }
  }
  return Status::Ok();
}

Status CudaEncoder::RegisterSlots(std::span<uint8_t> arena) {
  Status first;
  for (Device& device : devices_) {
    const Status status = device.model->PinHost(arena);
    if (first.ok() && !status.ok()) first = {Code::kUnavailable, status.message()};
  }
  return first;
}

void CudaEncoder::UnregisterSlots(std::span<uint8_t> arena) {
  for (Device& device : devices_) {
    if (!device.health->failed() && !device.health->hangs()) device.model->UnpinHost(arena);
  }
}

Result<std::unique_ptr<Encoder>> CreateCudaEncoder(const model::VisionModel& model,
                                                   const model::TextModel* text,
                                                   const EncoderOptions& options) {
  if (text != nullptr) {
    return Status(Code::kNotImplemented, "this backend has no text encoder yet");
  }
  ASSIGN_OR_RETURN(device::Platform * platform, device::LoadPlugin());
  ASSIGN_OR_RETURN(auto encoder, CudaEncoder::Create(*platform, model, options, CudaEncoder::Settings()));
  return std::unique_ptr<Encoder>(std::move(encoder));
}

}  // namespace photovec::encode::cuda
