// SPDX-License-Identifier: MIT
#pragma once

#include "unit/cuda_encode/emulated/device.h"
#include "unit/cuda_plugin/fake_cudart.h"

/// In place of the plug-in's file of this name: kernels run on the CPU when the fake stream comes to them.
namespace photovec::device {

template <typename... Parameters, typename... Arguments>
void LaunchKernel(void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared_bytes,
                  cudaStream_t stream, const Arguments&... arguments) {
  test::FakeGpu::Get().Queue(stream, [=] {
    emulated::RunGrid(reinterpret_cast<const void*>(kernel), grid, block, shared_bytes,
                      [&] { kernel(arguments...); });
  });
}

template <typename... Parameters>
cudaError_t AllowSharedBytes(void (* /*kernel*/)(Parameters...), size_t bytes) {
  constexpr size_t kMostOfHopper = size_t{227} << 10;
  return bytes <= kMostOfHopper ? cudaSuccess : cudaErrorInvalidValue;
}

template <typename T>
T* DynamicShared() {
  return static_cast<T*>(emulated::DynamicSharedMemory());
}

}  // namespace photovec::device
