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

/// Where models run.
struct DeviceChoice {
  std::string backend = "cpu";  ///< as CreateEncoder takes it: "cpu" or "cuda"
  std::vector<int> devices;     ///< CUDA indexes, with "cuda"
  std::string why;
};

/// What to choose from: the devices, at least one, or why there are none (LoadPlugin, Platform::Devices).
Result<std::vector<device::DeviceInfo>> FindCudaDevices();

/// \param text --device: "auto" (the first GPU if there is one, else the CPU), "cpu", "cuda", "cuda:2",
/// "cuda:all".
/// \param found FindCudaDevices(), asked only when needed.
/// Errors: kInvalidRequest for any other text or a device that is not there; kUnavailable when a GPU was
/// asked for and there is none, with the reason.
Result<DeviceChoice> ChooseDevice(const std::string& text,
                                  Result<std::vector<device::DeviceInfo>> (*found)() = FindCudaDevices);

/// MakePlan() for the chosen device. Errors: as ChooseDevice().
Result<Plan> PlanFor(const Machine& machine, const EngineOptions& options,
                     Result<std::vector<device::DeviceInfo>> (*found)() = FindCudaDevices);

/// "CUDA": which GPUs there are, or why none; never needed.
Check CheckCuda();

/// Where measured product plans are kept from one start to the next: photovec/cuda_plans in XDG_CACHE_HOME or
/// ~/.cache; empty when neither is known.
std::string PlanCacheFile();

}  // namespace photovec::engine
