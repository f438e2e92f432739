// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/result.h"
#include "device/cuda/platform.h"
#include "encode/cuda/cuda_stream.h"
#include "encode/encoder.h"
#include "model/text_model.h"
#include "model/vision_model.h"

namespace photovec::encode::cuda {

/// Unless told otherwise: while the host hands in a batch of one stream, the other computes. More pay only
/// for small batches (docs/performance.md).
inline constexpr int kStreamsPerDevice = 2;

/// N streams spread over one or several GPUs, each GPU with one copy of the weights. What it says and does
/// when a GPU fails: CudaStream.
class CudaEncoder final : public Encoder {
 public:
  struct Settings {
    Clock::duration least_patience = std::chrono::seconds(5);  ///< CudaStreamOptions
  };

  /// Uploads the weights and prepares every stream, which takes seconds. A GPU without room for the
  /// activations of max_batch images and texts gets half of that, and so on: the log says so. Copies what it
  /// needs, the token table too: `model` and `text` may be dropped, with text->token_storage. Errors: kInvalidRequest for numbers out of range or fewer streams than GPUs;
  /// kUnavailable when not even one image fits; as Platform::Load().
  static Result<std::unique_ptr<CudaEncoder>> Create(device::Platform& platform,
                                                     const model::VisionModel& model,
                                                     const model::TextModel* text,
                                                     const EncoderOptions& options, const Settings& settings);

  /// Leaks the streams and the weights of a GPU that hangs: giving them back would take for ever.
  ~CudaEncoder() override;

  const EncoderInfo& info() const override { return info_; }
  int stream_count() const override { return static_cast<int>(streams_.size()); }
  int text_stream_count() const override { return text_streams_; }
  EncoderStream& stream(int index) override { return *streams_[static_cast<size_t>(index)]; }
  Status Warmup() override;
  Status RegisterSlots(std::span<uint8_t> arena) override;
  void UnregisterSlots(std::span<uint8_t> arena) override;

  /// For benchmarks.
  int device_count() const { return static_cast<int>(devices_.size()); }
  device::DeviceModel& device_model(int index) { return *devices_[static_cast<size_t>(index)].model; }
  CudaStream& cuda_stream(int index) { return *streams_[static_cast<size_t>(index)]; }

 private:
  struct Device {
    std::unique_ptr<device::DeviceModel> model;
    std::unique_ptr<DeviceHealth> health;
  };
  CudaEncoder() = default;
  Status MakeStreams(int streams, int max_batch, const Settings& settings);
  Status WarmUp(EncoderStream& stream, size_t images);
  Status WarmUpTexts(EncoderStream& stream, size_t texts);
  void Describe(const model::VisionConfig& config, Precision precision);

  std::vector<Device> devices_;
  std::vector<std::unique_ptr<CudaStream>> streams_;  // end before the devices
  EncoderInfo info_;
  std::optional<model::TextConfig> text_;
  int text_streams_ = 0;  // of streams_, the last
};

/// CudaEncoder::Create() with the plug-in of this machine. Errors: also as LoadPlugin().
Result<std::unique_ptr<Encoder>> CreateCudaEncoder(const model::VisionModel& model,
                                                   const model::TextModel* text,
                                                   const EncoderOptions& options);

}  // namespace photovec::encode::cuda
