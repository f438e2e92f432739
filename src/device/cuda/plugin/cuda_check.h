// SPDX-License-Identifier: MIT
#pragma once

#include <cublasLt.h>
#include <cuda_runtime.h>

#include <string>

#include "base/status.h"

namespace photovec::device {

/// What a failed CUDA call means (device/cuda/platform.h): memory that was not there is kDeviceOutOfMemory
/// and leaves the context usable; anything else may have broken it for good and is kDeviceFailed.
inline Status CudaStatus(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return Status::Ok();
  (void)cudaGetLastError();  // an error that is not sticky would be reported again by the next launch
  const Code code = error == cudaErrorMemoryAllocation ? Code::kDeviceOutOfMemory : Code::kDeviceFailed;
  return {code, std::string(what) + ": " + cudaGetErrorString(error) + " (" + cudaGetErrorName(error) + ")"};
}

inline Status CublasStatus(cublasStatus_t status, const char* what) {
  if (status == CUBLAS_STATUS_SUCCESS) return Status::Ok();
  const Code code = status == CUBLAS_STATUS_ALLOC_FAILED ? Code::kDeviceOutOfMemory : Code::kDeviceFailed;
  return {code, std::string(what) + ": cuBLASLt status " + std::to_string(static_cast<int>(status))};
}

#define CUDA_OK(call) RETURN_IF_ERROR(::photovec::device::CudaStatus(call, #call))
#define CUBLAS_OK(call) RETURN_IF_ERROR(::photovec::device::CublasStatus(call, #call))

}  // namespace photovec::device
