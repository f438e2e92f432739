// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "device/cuda/platform.h"
#include "engine/machine_plan.h"
#include "engine/machine_report.h"
#include "engine/options.h"

namespace photovec::engine {

/// What --device asks for.
struct DeviceRequest {
  enum class Kind {
    kAuto,  ///< the first GPU if there is one, else the CPU
    kCpu,
    kCuda,
  };
  static constexpr int kAllDevices = -1;

  Kind kind = Kind::kAuto;
  int index = 0;  ///< CUDA's, or kAllDevices
};
/// "auto", "cpu", "cuda" (the first one), "cuda:2" or "cuda:all". Errors: kInvalidRequest for any other text.
Result<DeviceRequest> ParseDevice(const std::string& text);

/// Where models run.
struct DeviceChoice {
  encode::Backend backend = encode::Backend::kCpu;  ///< or kCuda
  std::vector<int> devices;                         ///< CUDA indexes, with kCuda
  std::string why;
};

/// What to choose from: the devices, at least one, or why there are none (LoadPlugin, Platform::Devices).
Result<std::vector<device::DeviceInfo>> FindCudaDevices();

/// \param text --device, as ParseDevice() takes it.
/// \param found FindCudaDevices(), asked only when needed.
/// Errors: as ParseDevice(); kInvalidRequest for a device that is not there; kUnavailable when a GPU was asked
/// for and there is none, with the reason.
Result<DeviceChoice> ChooseDevice(const std::string& text,
                                  Result<std::vector<device::DeviceInfo>> (*found)() = FindCudaDevices);

/// MakePlan() for the chosen device. Errors: as ChooseDevice().
Result<MachinePlan> PlanFor(const Machine& machine, const EngineOptions& options,
                            Result<std::vector<device::DeviceInfo>> (*found)() = FindCudaDevices);

/// "CUDA": which GPUs there are, or why none; never needed.
Check CheckCuda();

/// Where measured product plans are kept from one start to the next: photovec/cuda_plans in XDG_CACHE_HOME or
/// ~/.cache; empty when neither is known.
std::string PlanCacheFile();

}  // namespace photovec::engine
