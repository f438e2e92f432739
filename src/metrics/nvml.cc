// SPDX-License-Identifier: MIT
#include "metrics/nvml.h"

#include <dlfcn.h>

#include <utility>

namespace photovec::metrics {
namespace {

// The few declarations of nvml.h (API version 2) that are used: no header of the toolkit is needed to build.
using Device = void*;
struct Utilization {
  unsigned gpu_percent;
  unsigned memory_percent;
};
struct Memory {
  unsigned long long total;
  unsigned long long free;
  unsigned long long used;
};
constexpr int kSuccess = 0;

}  // namespace

struct Nvml::Api {
  int (*init)() = nullptr;
  int (*shutdown)() = nullptr;
  int (*count)(unsigned*) = nullptr;
  int (*by_index)(unsigned, Device*) = nullptr;
  int (*utilization)(Device, Utilization*) = nullptr;
  int (*memory)(Device, Memory*) = nullptr;
  int (*power_mw)(Device, unsigned*) = nullptr;

  Status Load(void* handle) {
    const auto find = [&](const char* name, auto& function) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(handle, name));
      return function != nullptr ? Status::Ok()
                                 : Status(Code::kUnavailable, std::string("NVML lacks ") + name);
    };
    RETURN_IF_ERROR(find("nvmlInit_v2", init));
    RETURN_IF_ERROR(find("nvmlShutdown", shutdown));
    RETURN_IF_ERROR(find("nvmlDeviceGetCount_v2", count));
    RETURN_IF_ERROR(find("nvmlDeviceGetHandleByIndex_v2", by_index));
    RETURN_IF_ERROR(find("nvmlDeviceGetUtilizationRates", utilization));
    RETURN_IF_ERROR(find("nvmlDeviceGetMemoryInfo", memory));
    return find("nvmlDeviceGetPowerUsage", power_mw);
  }
};

namespace {

Status Check(int code, const char* call) {
  if (code == kSuccess) return Status::Ok();
  return {Code::kUnavailable, std::string("NVML: ") + call + " failed with code " + std::to_string(code)};
}

}  // namespace

Nvml::Nvml(void* handle, std::unique_ptr<Api> api) : handle_(handle), api_(std::move(api)) {}

Nvml::~Nvml() {
  if (started_) api_->shutdown();
  dlclose(handle_);
}

Result<std::unique_ptr<Nvml>> Nvml::Open(const std::string& library) {
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    return Status(Code::kUnavailable, "no NVIDIA driver here: " + library + " cannot be loaded");
  }
  std::unique_ptr<Nvml> nvml(new Nvml(handle, std::make_unique<Api>()));
  RETURN_IF_ERROR(nvml->api_->Load(handle));
  RETURN_IF_ERROR(Check(nvml->api_->init(), "nvmlInit"));
  nvml->started_ = true;
  unsigned count = 0;
  RETURN_IF_ERROR(Check(nvml->api_->count(&count), "nvmlDeviceGetCount"));
  if (count == 0) return Status(Code::kUnavailable, "NVML finds no GPU");
  nvml->gpus_ = static_cast<int>(count);
  return nvml;
}

Result<GpuSample> Nvml::Sample() const {
  GpuSample sample;
  sample.gpus = gpus_;
  for (int i = 0; i < gpus_; ++i) {
    Device device = nullptr;
    RETURN_IF_ERROR(Check(api_->by_index(static_cast<unsigned>(i), &device), "nvmlDeviceGetHandleByIndex"));
    Utilization use{};
    RETURN_IF_ERROR(Check(api_->utilization(device, &use), "nvmlDeviceGetUtilizationRates"));
    Memory memory{};
    RETURN_IF_ERROR(Check(api_->memory(device, &memory), "nvmlDeviceGetMemoryInfo"));
    unsigned milliwatts = 0;
    RETURN_IF_ERROR(Check(api_->power_mw(device, &milliwatts), "nvmlDeviceGetPowerUsage"));
    sample.busy += use.gpu_percent / 100.0 / gpus_;
    sample.memory_bytes += static_cast<double>(memory.used);
    sample.power_watts += milliwatts / 1e3;
  }
  return sample;
}

}  // namespace photovec::metrics
