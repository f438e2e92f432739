// SPDX-License-Identifier: MIT
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/result.h"
#include "device/cuda/plugin/cuda_check.h"

namespace photovec::device {

/// One piece of device memory (or of pinned host memory), dealt out from the front in 256-byte steps and
/// freed as a whole. Move-only. The device on which it was made must be current when it dies.
class DeviceArena {
 public:
  static constexpr size_t kAlignment = 256;
  static constexpr size_t Rounded(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

  DeviceArena() = default;
  DeviceArena(DeviceArena&& other) noexcept { *this = std::move(other); }
  DeviceArena& operator=(DeviceArena&& other) noexcept {
    std::swap(base_, other.base_);
    std::swap(bytes_, other.bytes_);
    std::swap(used_, other.used_);
    return *this;
  }
  ~DeviceArena() {
    if (base_ != nullptr) (void)cudaFree(base_);
  }

  /// Errors: kDeviceOutOfMemory.
  static Result<DeviceArena> Create(size_t bytes) {
    DeviceArena arena;
    CUDA_OK(cudaMalloc(reinterpret_cast<void**>(&arena.base_), bytes));
    arena.bytes_ = bytes;
    return arena;
  }

  /// Null when the arena was made too small, which is a mistake of its maker.
  template <typename T>
  T* Take(size_t count) {
    const size_t bytes = Rounded(count * sizeof(T));
    if (used_ + bytes > bytes_) return nullptr;
    auto* piece = reinterpret_cast<T*>(base_ + used_);
    used_ += bytes;
    return piece;
  }
  size_t bytes() const { return bytes_; }

 private:
  uint8_t* base_ = nullptr;
  size_t bytes_ = 0;
  size_t used_ = 0;
};

}  // namespace photovec::device
