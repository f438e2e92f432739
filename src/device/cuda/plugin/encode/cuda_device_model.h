// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "device/cuda/platform.h"
#include "device/cuda/plugin/encode/cuda_device_stream.h"

namespace photovec::device {

/// Errors: kUnavailable when the runtime cannot describe it.
Result<DeviceInfo> DescribeDevice(int index);

/// A device with the weights on it. See DeviceModel.
class CudaDeviceModel final : public DeviceModel {
 public:
  static Result<std::unique_ptr<CudaDeviceModel>> Create(int device, const model::VisionModel& model,
                                                         const model::TextModel* text,
                                                         const DeviceModelOptions& options);
  ~CudaDeviceModel() override;

  const DeviceInfo& device() const override { return info_; }
  uint64_t weight_bytes() const override { return image_->bytes() + (text_ ? text_->bytes() : 0); }
  Result<std::unique_ptr<DeviceStream>> CreateStream(const DeviceStreamOptions& options) override;
  Status StartClock() override;
  Result<double> GemmCeiling(int batch) override;
  Result<const uint8_t*> CopyToDevice(std::span<const uint8_t> host) override;
  Status PinHost(std::span<uint8_t> memory) override;
  void UnpinHost(std::span<uint8_t> memory) override;

 private:
  explicit CudaDeviceModel(DeviceInfo info) : info_(std::move(info)) {}
  DeviceShared shared() const {
    return {info_.index, handle_, image_.get(), text_.get(), plans_.get(), clock_};
  }

  const DeviceInfo info_;
  cublasLtHandle_t handle_ = nullptr;
  cudaEvent_t clock_ = nullptr;
  std::unique_ptr<ImageWeights> image_;
  std::unique_ptr<TextWeights> text_;  // null: no text tower
  std::unique_ptr<GemmPlans> plans_;
  std::mutex mutex_;
  std::vector<DeviceArena> copies_;  // of CopyToDevice
};

}  // namespace photovec::device
