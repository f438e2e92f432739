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
// Of a full batch of causal texts, which are as long as they are: queries and captions have 5 to 15. For
// longer ones a batch has fewer texts.
constexpr int kTokensPerText = 16;

Status CheckOptions(const EncoderOptions& options) {
  if (options.streams < 0 || options.streams > kMostStreams) {
    return {Code::kInvalidRequest, "streams must be 0 (automatic) to " + std::to_string(kMostStreams) +
                                       " on GPUs, not " + std::to_string(options.streams)};
  }
  if (options.text_streams < 0 || options.text_streams > kMostStreams) {
    return {Code::kInvalidRequest, "text_streams must be 0 to " + std::to_string(kMostStreams) +
                                       " on GPUs, not " + std::to_string(options.text_streams)};
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
                                                         const model::TextModel* text,
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
    auto loaded = platform.Load(device, model, text, device_options);
    if (loaded.status().code() == Code::kDeviceOutOfMemory) {
      return Status(Code::kUnavailable,
                    "GPU " + std::to_string(device) +
                        " has no room for the model's weights: " + loaded.status().message());
    }
    if (!loaded.ok()) return loaded.status();
    encoder->devices_.push_back({std::move(*loaded), std::make_unique<DeviceHealth>()});
  }
  if (text != nullptr) {
    encoder->text_ = text->config;
    encoder->text_streams_ = options.text_streams;
  }
  encoder->info_.embedding_dim = model.config.embedding_dim();
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
  encoder->Describe(model.config, precision);
  return encoder;
}

CudaEncoder::~CudaEncoder() {
  streams_.clear();
  for (Device& device : devices_) {
    if (device.health->hangs()) (void)device.model.release();
  }
}

// \param streams for images (and texts); those for texts alone are behind them.
Status CudaEncoder::MakeStreams(int streams, int max_batch, const Settings& settings) {
  streams_.clear();
  info_.max_batch = max_batch;
  if (text_) {
    const int most = text_->max_tokens;
    const int tokens =
        text_->causal ? std::max(most, max_batch * std::min(kTokensPerText, most)) : max_batch * most;
    info_.text = TextInfo{most, max_batch, tokens, text_->causal, model::ExecutedFlops(*text_, most) / most};
  }
  for (int i = 0; i < streams + text_streams_; ++i) {
    Device& device = devices_[static_cast<size_t>(i) % devices_.size()];
    device::DeviceStreamOptions device_options;
    CudaStreamOptions options;
    options.index = i;
    options.images = i < streams;
    options.least_patience = settings.least_patience;
    device_options.max_batch = options.images ? max_batch : 0;
    if (text_) {
      device_options.max_texts = info_.text->max_batch;
      device_options.max_text_tokens = info_.text->max_batch_tokens;
      options.vocabulary = text_->vocabulary_size;
    }
    ASSIGN_OR_RETURN(auto stream, device.model->CreateStream(device_options));
    streams_.push_back(std::make_unique<CudaStream>(std::move(stream), *device.health, info_, options));
  }
  return Status::Ok();
}

void CudaEncoder::Describe(const model::VisionConfig& config, Precision precision) {
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
  if (text_streams_ > 0) info_.detail += ", " + std::to_string(text_streams_) + " of them for texts alone";
  info_.image_size = config.image_size;
  info_.executed_flops_per_image = model::ExecutedFlops(config);
}

Status CudaEncoder::Warmup() {
  for (int i = 0; i < stream_count(); ++i) {
    const bool images = i < stream_count() - text_streams_;
    for (const size_t batch : {static_cast<size_t>(info_.max_batch), size_t{1}}) {
      if (images) RETURN_IF_ERROR(WarmUp(stream(i), batch));
      if (text_) RETURN_IF_ERROR(WarmUpTexts(stream(i), batch));
    }
  }
  return Status::Ok();
}

Status CudaEncoder::WarmUp(EncoderStream& stream, size_t images) {
  const auto size = static_cast<size_t>(info_.image_size);
  const std::vector<uint8_t> pixels(size * size * 3, 128);
  const std::vector<PixelSlot> slots(images, PixelSlot{pixels.data(), PixelSlot::kHost});
  std::vector<float> out(images * static_cast<size_t>(info_.embedding_dim));
  ASSIGN_OR_RETURN(const Ticket ticket, stream.Submit(slots, out));
  return stream.Wait(ticket);
}

Status CudaEncoder::WarmUpTexts(EncoderStream& stream, size_t texts) {
  const std::vector<int32_t> ids(static_cast<size_t>(text_->max_tokens));
  const size_t length = text_->causal
                            ? std::min(ids.size(), static_cast<size_t>(info_.text->max_batch_tokens) / texts)
                            : ids.size();
  const std::vector<TokenIds> batch(texts, TokenIds(ids).first(length));
  std::vector<float> out(texts * static_cast<size_t>(info_.embedding_dim));
  ASSIGN_OR_RETURN(const Ticket ticket, stream.SubmitTexts(batch, out));
  return stream.Wait(ticket);
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
  ASSIGN_OR_RETURN(device::Platform * platform, device::LoadPlugin());
  ASSIGN_OR_RETURN(auto encoder,
                   CudaEncoder::Create(*platform, model, text, options, CudaEncoder::Settings()));
  return std::unique_ptr<Encoder>(std::move(encoder));
}

}  // namespace photovec::encode::cuda
