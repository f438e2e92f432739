// SPDX-License-Identifier: MIT
#include "device/cuda/plugin/encode/cuda_device_model.h"
#include "gpu/on_device.h"

namespace photovec::encode::cuda {
namespace {

// The plug-in's own encoder, all of it, on the emulated GPU.
class EmulatedPlatform final : public device::Platform {
 public:
  Result<std::vector<device::DeviceInfo>> Devices() override {
    ASSIGN_OR_RETURN(device::DeviceInfo info, device::DescribeDevice(0));
    return std::vector<device::DeviceInfo>{std::move(info)};
  }
  Result<std::unique_ptr<device::DeviceModel>> Load(int device, const model::VisionModel& model,
                                                    const model::TextModel* text,
                                                    const device::DeviceModelOptions& options) override {
    ASSIGN_OR_RETURN(auto made, device::CudaDeviceModel::Create(device, model, text, options));
    return std::unique_ptr<device::DeviceModel>(std::move(made));
  }
  Result<std::unique_ptr<device::JpegDecoder>> CreateJpegDecoder(
      int /*device*/, const device::JpegDecoderOptions& /*options*/) override {
    return Status(Code::kUnavailable, "the emulated GPU has no nvJPEG");
  }
};

}  // namespace

device::Platform* ThePlatform() {
  static EmulatedPlatform platform;
  return &platform;
}

bool WithLargeCases() { return false; }  // they take minutes here

}  // namespace photovec::encode::cuda
