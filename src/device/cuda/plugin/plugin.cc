// SPDX-License-Identifier: MIT
#include <cuda_runtime.h>

#include <cstring>
#include <string>
#include <utility>

#include "device/cuda/platform.h"
#include "device/cuda/plugin/encode/cuda_device_model.h"
#include "device/cuda/plugin/jpeg/cuda_jpeg_decoder.h"

namespace photovec::device {
namespace {

class CudaPlatform final : public Platform {
 public:
  Result<std::vector<DeviceInfo>> Devices() override {
    int driver = 0;
    if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0) {
      (void)cudaGetLastError();
      return Status(Code::kUnavailable, "this machine has no NVIDIA driver (libcuda.so.1)");
    }
    int count = 0;
    const cudaError_t error = cudaGetDeviceCount(&count);
    if (error != cudaSuccess || count == 0) {
      (void)cudaGetLastError();
      return Status(Code::kUnavailable,
                    std::string("no CUDA device: ") +
                        (error == cudaSuccess ? "the driver reports none" : cudaGetErrorString(error)));
    }
    std::vector<DeviceInfo> devices;
    for (int i = 0; i < count; ++i) {
      ASSIGN_OR_RETURN(DeviceInfo info, DescribeDevice(i));
      devices.push_back(std::move(info));
    }
    return devices;
  }

  Result<std::unique_ptr<DeviceModel>> Load(int device, const model::VisionModel& model,
                                            const model::TextModel* text,
                                            const DeviceModelOptions& options) override {
    ASSIGN_OR_RETURN(auto made, CudaDeviceModel::Create(device, model, text, options));
    return std::unique_ptr<DeviceModel>(std::move(made));
  }

  Result<std::unique_ptr<JpegDecoder>> CreateJpegDecoder(int device,
                                                         const JpegDecoderOptions& options) override {
    ASSIGN_OR_RETURN(const NvJpegLibrary* library, NvJpegLibrary::Get());
    ASSIGN_OR_RETURN(auto made, CudaJpegDecoder::Create(*library, device, options));
    return std::unique_ptr<JpegDecoder>(std::move(made));
  }
};

}  // namespace
}  // namespace photovec::device

extern "C" __attribute__((visibility("default"))) photovec::device::Platform* photovec_cuda_plugin(
    uint32_t version, const char* photovec_version) {
  using photovec::device::kPluginVersion;
  if (version != kPluginVersion || std::strcmp(photovec_version, PHOTOVEC_VERSION) != 0) return nullptr;
  static photovec::device::CudaPlatform platform;
  return &platform;
}
