// SPDX-License-Identifier: MIT
#include "engine/device_choice.h"

#include <charconv>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/environment.h"
#include "base/text/sizes.h"
#include "device/cuda/loader.h"
#include "encode/cuda/cuda_encoder.h"

namespace photovec::engine {
namespace {

using device::DeviceInfo;
using encode::Backend;

constexpr const char* kForms = "auto, cpu, cuda, cuda:N or cuda:all";

std::string DeviceText(const DeviceInfo& device) {
  return device.name + " (cuda:" + std::to_string(device.index) + ")";
}

void PlanCuda(const EngineOptions& options, const DeviceChoice& choice, MachinePlan& plan) {
  const auto devices = static_cast<int>(choice.devices.size());
  plan.streams = options.streams > 0 ? options.streams : encode::cuda::kStreamsPerDevice * devices;
  plan.streams_why =
      options.streams > 0 ? "as set" : "two a GPU, so that one computes while the other is handed work";
  if (options.threads_per_stream > 0) plan.streams_why += "; threads of a stream are for CPUs";
  plan.threads_per_stream = 1;
  plan.pin_threads = false;
  if (options.precision == model::Precision::kAuto) {
    plan.precision = model::Precision::kF16;
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

Result<DeviceRequest> ParseDevice(const std::string& text) {
  constexpr std::string_view kIndexed = "cuda:";
  using Kind = DeviceRequest::Kind;
  if (text == "auto") return DeviceRequest{Kind::kAuto, 0};
  if (text == "cpu") return DeviceRequest{Kind::kCpu, 0};
  if (text == "cuda") return DeviceRequest{Kind::kCuda, 0};
  if (text == "cuda:all") return DeviceRequest{Kind::kCuda, DeviceRequest::kAllDevices};
  int index = -1;
  if (text.starts_with(kIndexed)) {
    const char* const last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data() + kIndexed.size(), last, index);
    if (error != std::errc() || end != last) index = -1;
  }
  if (index < 0) return Status(Code::kInvalidRequest, "--device '" + text + "': give " + kForms);
  return DeviceRequest{Kind::kCuda, index};
}

Result<DeviceChoice> ChooseDevice(const std::string& text, Result<std::vector<DeviceInfo>> (*found)()) {
  using Kind = DeviceRequest::Kind;
  ASSIGN_OR_RETURN(const DeviceRequest wanted, ParseDevice(text));
  if (wanted.kind == Kind::kCpu) return DeviceChoice{Backend::kCpu, {}, "as set"};
  const Result<std::vector<DeviceInfo>> devices = found();
  if (!devices.ok()) {
    if (wanted.kind == Kind::kAuto) {
      return DeviceChoice{Backend::kCpu, {}, "no GPU: " + devices.status().message()};
    }
    return devices.status().WithContext("--device " + text);
  }
  DeviceChoice choice{Backend::kCuda, {}, ""};
  for (const DeviceInfo& device : *devices) {
    if (wanted.index != DeviceRequest::kAllDevices && device.index != wanted.index) continue;
    choice.devices.push_back(device.index);
    choice.why += (choice.why.empty() ? "" : " and ") + DeviceText(device);
  }
  if (choice.devices.empty()) {
    return Status(Code::kInvalidRequest,
                  "--device " + text + ": this machine has " + std::to_string(devices->size()) +
                      (devices->size() == 1 ? " CUDA device, cuda:0" : " CUDA devices, from cuda:0 on"));
  }
  return choice;
}

Result<MachinePlan> PlanFor(const Machine& machine, const EngineOptions& options,
                            Result<std::vector<DeviceInfo>> (*found)()) {
  ASSIGN_OR_RETURN(const DeviceChoice choice, ChooseDevice(options.device, found));
  MachinePlan plan = MakePlan(machine, options);
  plan.backend = choice.backend;
  plan.devices = choice.devices;
  plan.device_why = choice.why;
  if (choice.backend == Backend::kCuda) PlanCuda(options, choice, plan);
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
    check.detail += (check.detail.empty() ? "" : "; ") + DeviceText(device) + ", compute capability " +
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
