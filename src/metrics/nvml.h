// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"

namespace photovec::metrics {

/// What the GPUs of this machine did: busy and power as means over GPUs resp. sums, at one moment.
struct GpuSample {
  int gpus = 0;
  double busy = 0;  ///< 0..1, mean over GPUs: share of time with any kernel running, as gpustat shows it
  double memory_bytes = 0;  ///< in use, all GPUs
  double power_watts = 0;   ///< all GPUs
};

/// NVIDIA's management library, opened at run time, so that one binary serves machines with and without GPUs.
/// Not thread-safe.
class Nvml {
 public:
  /// \param library file name or path, as dlopen takes it.
  /// Errors: kUnavailable saying what is missing: the library, a function, a driver, a GPU.
  static Result<std::unique_ptr<Nvml>> Open(const std::string& library = "libnvidia-ml.so.1");
  ~Nvml();
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;

  int gpus() const { return gpus_; }
  /// Errors: kUnavailable naming the call and NVML's error code.
  Result<GpuSample> Sample() const;

 private:
  struct Api;
  Nvml(void* handle, std::unique_ptr<Api> api);

  void* handle_;
  std::unique_ptr<Api> api_;
  bool started_ = false;
  int gpus_ = 0;
};

}  // namespace photovec::metrics
