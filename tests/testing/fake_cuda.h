// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "device/cuda/platform.h"

/// GPUs that are not there: encode/cuda/device.h on the CPU, with every fault that the host's half must bear.
namespace photovec::device::test {

/// What goes wrong, and what was seen. Shared by all devices of a platform; fields may be set while streams
/// run. Frees at its end what an encoder left behind (because a device hung).
struct FakeFaults {
  ~FakeFaults() {
    frees_block = false;
    for (device::DeviceStream* stream : std::exchange(streams, {})) delete stream;
    for (device::DeviceModel* model : std::exchange(models, {})) delete model;
  }

  std::atomic<int> most_stream_batch{1 << 20};  ///< CreateStream of more is out of memory
  std::atomic<int> most_start_batch{1 << 20};   ///< Start of more is out of memory
  std::atomic<int> starts_until_sticky{-1};  ///< so many Starts succeed, then the device is broken; -1: never
  std::atomic<int> dones_until_sticky{-1};   ///< likewise for batches that finish
  std::atomic<int> hanging_stream{-1};       ///< what this stream (by order of making) starts never finishes
  /// So many Starts of images a stream, and as many of texts, are spared, and not counted above.
  std::atomic<int> warmup_starts_a_stream{0};
  std::atomic<bool> pin_fails{false};
  std::atomic<int> polls_before_done{0};  ///< how often Done says no before it says yes
  std::atomic<bool> frees_block{false};   ///< as on a GPU: with a batch that hangs, freeing never returns

  std::atomic<int> streams_made{0};
  std::atomic<int> warmup_starts{0};  ///< of all streams made
  std::atomic<int> starts{0};
  std::atomic<int> text_starts{0};  ///< of them
  std::atomic<int> polls{0};        ///< calls of Done
  std::atomic<int> calls_after_sticky{0};
  std::atomic<int> frees_while_hanging{0};  ///< streams, models and pins of a device given back then
  std::atomic<int> pinned{0};               ///< now

  std::mutex mutex;  // of what follows: all that is alive
  std::set<device::DeviceStream*> streams;
  std::set<device::DeviceModel*> models;
};

/// One fake GPU, as its streams see it.
struct FakeDevice {
  std::atomic<bool> broken{false};
  std::atomic<bool> hangs{false};

  void Free(FakeFaults& faults) const {
    if (!hangs) return;
    ++faults.frees_while_hanging;
    faults.frees_block.wait(true);
  }
};

/// The vector of one image.
/// \param out [D].
using FakeEncode = std::function<void(const uint8_t* pixels, std::span<float> out)>;

/// [first byte, second byte, …]; a first byte of 255 gives NaN.
inline void FirstBytes(const uint8_t* pixels, std::span<float> out) {
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(pixels[i]);
  if (pixels[0] == 255) out[0] = std::numeric_limits<float>::quiet_NaN();
}

/// The vector of a text: [first id, last id, length, first id, …].
inline void FirstLastLength(std::span<const int32_t> ids, std::span<float> out) {
  const float values[3] = {static_cast<float>(ids.front()), static_cast<float>(ids.back()),
                           static_cast<float>(ids.size())};
  for (size_t i = 0; i < out.size(); ++i) out[i] = values[i % 3];
}

class FakeDeviceStream final : public device::DeviceStream {
 public:
  FakeDeviceStream(FakeFaults& faults, std::shared_ptr<FakeDevice> device, int number,
                   const device::DeviceStreamOptions& options, size_t dim, FakeEncode encode)
      : faults_(faults),
        device_(std::move(device)),
        number_(number),
        options_(options),
        dim_(dim),
        encode_(std::move(encode)) {
    const int most = std::max(options.max_batch, options.max_texts);
    for (auto& output : outputs_) output.resize(static_cast<size_t>(most) * dim);
    const std::scoped_lock lock(faults_.mutex);
    faults_.streams.insert(this);
  }
  ~FakeDeviceStream() override {
    device_->Free(faults_);
    const std::scoped_lock lock(faults_.mutex);
    faults_.streams.erase(this);
  }
  FakeDeviceStream(const FakeDeviceStream&) = delete;
  FakeDeviceStream& operator=(const FakeDeviceStream&) = delete;

  Status Start(int side, std::span<const PixelSlot> slots) override {
    if (slots.size() > static_cast<size_t>(options_.max_batch)) return {Code::kInternal, "fake: too many"};
    return Begin(side, slots.size(), [&](size_t i, std::span<float> out) { encode_(slots[i].data, out); });
  }
  Status StartTexts(int side, std::span<const std::span<const int32_t>> texts) override {
    size_t tokens = 0;
    for (const auto& text : texts) tokens += text.size();
    if (texts.size() > static_cast<size_t>(options_.max_texts) ||
        tokens > static_cast<size_t>(options_.max_text_tokens)) {
      return {Code::kInternal, "fake: too many"};
    }
    ++faults_.text_starts;
    return Begin(side, texts.size(), [&](size_t i, std::span<float> out) { FirstLastLength(texts[i], out); });
  }

  Result<bool> Done(int side) override {
    const auto at = static_cast<size_t>(side);
    ++faults_.polls;
    if (device_->broken) ++faults_.calls_after_sticky;
    if (hangs_[at] || polls_left_[at]-- > 0) return false;
    if (Spent(faults_.dones_until_sticky)) return Break();
    return true;
  }

  std::span<const float> output(int side) const override { return outputs_[static_cast<size_t>(side)]; }
  device::DeviceSpan Span(int /*side*/) const override { return {1, 2}; }

 private:
  template <typename Encode>
  Status Begin(int side, size_t items, Encode encode) {
    if (device_->broken) ++faults_.calls_after_sticky;
    const int number = ++faults_.starts - faults_.warmup_starts;
    if (static_cast<int>(items) > faults_.most_start_batch) {
      return {Code::kDeviceOutOfMemory, "fake: out of memory"};
    }
    if (faults_.starts_until_sticky >= 0 && number > faults_.starts_until_sticky) return Break();
    const auto at = static_cast<size_t>(side);
    for (size_t i = 0; i < items; ++i) encode(i, std::span(outputs_[at]).subspan(i * dim_, dim_));
    hangs_[at] = faults_.hanging_stream == number_ && number > 0;
    if (hangs_[at]) device_->hangs = true;
    polls_left_[at] = faults_.polls_before_done;
    return Status::Ok();
  }
  static bool Spent(std::atomic<int>& left) { return left >= 0 && left.fetch_sub(1) <= 0; }
  Status Break() {
    device_->broken = true;
    return {Code::kDeviceFailed, "fake: an illegal memory access was encountered"};
  }

  FakeFaults& faults_;
  const std::shared_ptr<FakeDevice> device_;
  const int number_;
  const device::DeviceStreamOptions options_;
  const size_t dim_;
  const FakeEncode encode_;
  std::vector<float> outputs_[2];
  bool hangs_[2] = {false, false};
  int polls_left_[2] = {0, 0};
};

class FakeDeviceModel final : public device::DeviceModel {
 public:
  FakeDeviceModel(FakeFaults& faults, int index, size_t dim, FakeEncode encode)
      : faults_(faults), dim_(dim), encode_(std::move(encode)) {
    info_.index = index;
    info_.name = "Fake GPU";
    info_.major = 9;
    info_.multiprocessors = 132;
    info_.memory_bytes = uint64_t{80} << 30;
    info_.runtime = "fake runtime";
    const std::scoped_lock lock(faults_.mutex);
    faults_.models.insert(this);
  }
  ~FakeDeviceModel() override {
    state_->Free(faults_);
    const std::scoped_lock lock(faults_.mutex);
    faults_.models.erase(this);
  }
  FakeDeviceModel(const FakeDeviceModel&) = delete;
  FakeDeviceModel& operator=(const FakeDeviceModel&) = delete;
  const device::DeviceInfo& device() const override { return info_; }
  uint64_t weight_bytes() const override { return 1000; }
  Result<std::unique_ptr<device::DeviceStream>> CreateStream(
      const device::DeviceStreamOptions& options) override {
    if (std::max(options.max_batch, options.max_texts) > faults_.most_stream_batch)
      return Status(Code::kDeviceOutOfMemory, "fake: no room for a stream");
    const int kinds = int{options.max_batch > 0} + int{options.max_texts > 0};
    faults_.warmup_starts += faults_.warmup_starts_a_stream * kinds;
    const int number = faults_.streams_made++;
    return std::unique_ptr<device::DeviceStream>(
        std::make_unique<FakeDeviceStream>(faults_, state_, number, options, dim_, encode_));
  }
  Status StartClock() override { return Status::Ok(); }
  Result<double> GemmCeiling(int /*batch*/) override { return 1e12; }
  Result<const uint8_t*> CopyToDevice(std::span<const uint8_t> host) override {
    copies_.push_back(std::make_unique<std::vector<uint8_t>>(host.begin(), host.end()));
    return static_cast<const uint8_t*>(copies_.back()->data());
  }
  Status PinHost(std::span<uint8_t> /*memory*/) override {
    if (faults_.pin_fails) return {Code::kUnavailable, "fake: cannot pin"};
    ++faults_.pinned;
    return Status::Ok();
  }
  void UnpinHost(std::span<uint8_t> /*memory*/) override {
    state_->Free(faults_);
    --faults_.pinned;
  }

 private:
  FakeFaults& faults_;
  device::DeviceInfo info_;
  const size_t dim_;
  const FakeEncode encode_;
  const std::shared_ptr<FakeDevice> state_ = std::make_shared<FakeDevice>();
  std::vector<std::unique_ptr<std::vector<uint8_t>>> copies_;
};

class FakePlatform : public device::Platform {
 public:
  explicit FakePlatform(int devices = 1, FakeEncode encode = FirstBytes)
      : devices_(devices), encode_(std::move(encode)) {}
  FakeFaults faults;

  Result<std::vector<device::DeviceInfo>> Devices() override {
    std::vector<device::DeviceInfo> found;
    for (int i = 0; i < devices_; ++i) found.push_back(FakeDeviceModel(faults, i, 1, encode_).device());
    return found;
  }
  Result<std::unique_ptr<device::DeviceModel>> Load(int device, const model::VisionModel& model,
                                                    const model::TextModel* /*text*/,
                                                    const device::DeviceModelOptions& /*options*/) override {
    if (device >= devices_) return Status(Code::kUnavailable, "fake: no such device");
    const auto dim = static_cast<size_t>(model.config.embedding_dim());
    return std::unique_ptr<device::DeviceModel>(
        std::make_unique<FakeDeviceModel>(faults, device, dim, encode_));
  }
  Result<std::unique_ptr<device::JpegDecoder>> CreateJpegDecoder(
      int /*device*/, const device::JpegDecoderOptions& options) override {
    if (!make_jpeg_decoder) return Status(Code::kUnavailable, "fake: no nvJPEG");
    return make_jpeg_decoder(options);
  }
  std::function<Result<std::unique_ptr<device::JpegDecoder>>(const device::JpegDecoderOptions&)>
      make_jpeg_decoder;

 private:
  const int devices_;
  const FakeEncode encode_;
};

}  // namespace photovec::device::test
