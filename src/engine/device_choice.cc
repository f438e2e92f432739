// SPDX-License-Identifier: MIT
#include "engine/device_choice.h"

#include <charconv>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "base/environment.h"
#include "base/text/sizes.h"
#include "device/cuda/loader.h"
#include "encode/cuda/cuda_encoder.h"

namespace photovec::engine {
namespace {

using device::DeviceInfo;

constexpr const char* kForms = "auto, cpu, cuda, cuda:N or cuda:all";

std::string NameOf(const DeviceInfo& device) {
  return device.name + " (cuda:" + std::to_string(device.index) + ")";
}

// -1: all.
Result<int> ParseIndex(const std::string& text) {
  if (text == "cuda") return 0;
  const std::string number = text.substr(text.find(':') + 1);
  if (number == "all") return -1;
  int index = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), index);
  if (error != std::errc() || end != number.data() + number.size() || index < 0) {
    return Status(Code::kInvalidRequest, "--device '" + text + "': give " + kForms);
  }
  return index;
}

void PlanCuda(const EngineOptions& options, const DeviceChoice& choice, Plan& plan) {
  const auto devices = static_cast<int>(choice.devices.size());
  plan.streams = options.streams > 0 ? options.streams : encode::cuda::kStreamsPerDevice * devices;
  plan.streams_why =
      options.streams > 0 ? "as set" : "two a GPU, so that one computes while the other is handed work";
  if (options.threads_per_stream > 0) plan.streams_why += "; threads of a stream are for CPUs";
  plan.threads_per_stream = 1;
  plan.pin_threads = false;
  if (options.precision == "auto") {
    plan.precision = "f16";
    plan.precision_why = "f16 products with f32 sums, on a GPU";
  }
}

}  // namespace

Result<std::vector<DeviceInfo>> FindCudaDevices() {
  ASSIGN_OR_RETURN(device::Platform * platform, device::LoadPlugin());
  ASSIGN_OR_RETURN(auto devices, platform->Devices());
  if (devices.empty()) return Status(Code::kUnavailable, "the CUDA plug-in reports no device");
  return devices;
}

Result<DeviceChoice> ChooseDevice(const std::string& text, Result<std::vector<DeviceInfo>> (*found)()) {
  if (text == "cpu") return DeviceChoice{"cpu", {}, "as set"};
  const bool automatic = text == "auto";
  if (!automatic && text != "cuda" && !text.starts_with("cuda:")) {
    return Status(Code::kInvalidRequest, "--device '" + text + "': give " + kForms);
  }
  int index = 0;
  if (!automatic) {
    ASSIGN_OR_RETURN(index, ParseIndex(text));
  }
  const Result<std::vector<DeviceInfo>> devices = found();
  if (!devices.ok()) {
    if (automatic) return DeviceChoice{"cpu", {}, "no GPU: " + devices.status().message()};
    return devices.status().WithContext("--device " + text);
  }
  DeviceChoice choice{"cuda", {}, ""};
  for (const DeviceInfo& device : *devices) {
    if (index >= 0 && device.index != index) continue;
    choice.devices.push_back(device.index);
    choice.why += (choice.why.empty() ? "" : " and ") + NameOf(device);
  }
  if (choice.devices.empty()) {
    return Status(Code::kInvalidRequest,
                  "--device " + text + ": this machine has " + std::to_string(devices->size()) +
                      (devices->size() == 1 ? " CUDA device, cuda:0" : " CUDA devices, from cuda:0 on"));
  }
  return choice;
}

Result<Plan> PlanFor(const Machine& machine, const EngineOptions& options,
                     Result<std::vector<DeviceInfo>> (*found)()) {
  ASSIGN_OR_RETURN(const DeviceChoice choice, ChooseDevice(options.device, found));
  Plan plan = MakePlan(machine, options);
  plan.backend = choice.backend;
  plan.devices = choice.devices;
  plan.device_why = choice.why;
  if (choice.backend == "cuda") PlanCuda(options, choice, plan);
  return plan;
}

Check CheckCuda() {
  Check check{"CUDA", false, false, ""};
  const auto devices = FindCudaDevices();
  if (!devices.ok()) {
    check.detail = devices.status().message();
    return check;
  }
  check.ok = true;
  for (const DeviceInfo& device : *devices) {
    check.detail += (check.detail.empty() ? "" : "; ") + NameOf(device) + ", compute capability " +
                    std::to_string(device.major) + "." + std::to_string(device.minor) + ", " +
                    std::to_string(device.multiprocessors) + " multiprocessors, " +
                    HumanBytes(device.memory_bytes) + " (" + HumanBytes(device.free_bytes) + " free)";
  }
  check.detail += "; " + devices->front().runtime;
  return check;
}

std::string PlanCacheFile() {
  const EnvironmentLookup environment = ProcessEnvironment();
  const auto cache = environment("XDG_CACHE_HOME");
  if (cache && cache->starts_with('/')) return *cache + "/photovec/cuda_plans";
  const auto home = environment("HOME");
  return home && home->starts_with('/') ? *home + "/.cache/photovec/cuda_plans" : "";
}

}  // namespace photovec::engine
