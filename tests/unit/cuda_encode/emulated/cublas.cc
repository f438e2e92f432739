// SPDX-License-Identifier: MIT
// The few functions of cuBLASLt that the plug-in calls, in plain loops: y = x w^T + bias with sums in f32.
#include <cublasLt.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "model/fold/e4m3.h"
#include "unit/cuda_plugin/fake_cudart.h"

namespace {

struct Description {
  bool bias = false;
  const void* bias_data = nullptr;
  const float* a_scales = nullptr;  // of w
  const float* b_scales = nullptr;  // of x
};
struct Layout {
  cudaDataType type;
  uint64_t rows;
  uint64_t columns;
  int64_t pitch;
};

float Read(const void* from, cudaDataType type, size_t at) {
  switch (type) {
    case CUDA_R_16F:
      return static_cast<float>(static_cast<const __half*>(from)[at]);
    case CUDA_R_16BF:
      return static_cast<float>(static_cast<const __nv_bfloat16*>(from)[at]);
    case CUDA_R_8F_E4M3:
      return photovec::model::E4M3ToFloat(static_cast<const uint8_t*>(from)[at]);
    default:
      return static_cast<const float*>(from)[at];
  }
}

void Write(void* to, cudaDataType type, size_t at, float value) {
  switch (type) {
    case CUDA_R_16F:
      static_cast<__half*>(to)[at] = __float2half_rn(value);
      return;
    case CUDA_R_16BF:
      static_cast<__nv_bfloat16*>(to)[at] = __float2bfloat16_rn(value);
      return;
    default:
      static_cast<float*>(to)[at] = value;
  }
}

std::vector<float> Floats(const void* matrix, const Layout& layout) {  // [columns, rows] dense
  std::vector<float> values(layout.rows * layout.columns);
  for (size_t c = 0; c < layout.columns; ++c) {
    for (size_t r = 0; r < layout.rows; ++r) {
      values[c * layout.rows + r] = Read(matrix, layout.type, c * static_cast<size_t>(layout.pitch) + r);
    }
  }
  return values;
}

struct Product {
  Description how;
  const void* w;
  Layout w_layout;
  const void* x;
  Layout x_layout;
  void* y;
  Layout y_layout;

  void operator()() const {
    const size_t depth = x_layout.rows;
    const size_t columns = w_layout.columns;
    const std::vector<float> stored = Floats(w, w_layout);
    std::vector<float> weights(stored.size());  // [depth, columns], so that the inner loop has no chain
    for (size_t n = 0; n < columns; ++n) {
      for (size_t k = 0; k < depth; ++k) weights[k * columns + n] = stored[n * depth + k];
    }
    const std::vector<float> inputs = Floats(x, x_layout);
    std::vector<float> sums(columns);
    for (size_t row = 0; row < x_layout.columns; ++row) {
      std::fill(sums.begin(), sums.end(), 0.0F);
      for (size_t k = 0; k < depth; ++k) {
        const float value = inputs[row * depth + k];
        for (size_t n = 0; n < columns; ++n) sums[n] += value * weights[k * columns + n];
      }
      for (size_t n = 0; n < columns; ++n) {
        float sum = sums[n];
        if (how.a_scales != nullptr) sum *= how.a_scales[n] * how.b_scales[row];
        if (how.bias) sum += Read(how.bias_data, y_layout.type, n);
        Write(y, y_layout.type, row * static_cast<size_t>(y_layout.pitch) + n, sum);
      }
    }
  }
};

template <typename T>
T As(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

}  // namespace

extern "C" {

size_t cublasLtGetVersion() { return 130000; }
cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  *handle = reinterpret_cast<cublasLtHandle_t>(new int(0));
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  delete reinterpret_cast<int*>(handle);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* made, cublasComputeType_t /*compute*/,
                                        cudaDataType_t /*scale*/) {
  *made = reinterpret_cast<cublasLtMatmulDesc_t>(new Description);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t description) {
  delete reinterpret_cast<Description*>(description);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t description,
                                              cublasLtMatmulDescAttributes_t attribute, const void* value,
                                              size_t /*bytes*/) {
  auto& how = *reinterpret_cast<Description*>(description);
  if (attribute == CUBLASLT_MATMUL_DESC_EPILOGUE) {
    how.bias = As<cublasLtEpilogue_t>(value) == CUBLASLT_EPILOGUE_BIAS;
  }
  if (attribute == CUBLASLT_MATMUL_DESC_BIAS_POINTER) how.bias_data = As<const void*>(value);
  if (attribute == CUBLASLT_MATMUL_DESC_A_SCALE_POINTER) how.a_scales = As<const float*>(value);
  if (attribute == CUBLASLT_MATMUL_DESC_B_SCALE_POINTER) how.b_scales = As<const float*>(value);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* made, cudaDataType type, uint64_t rows,
                                          uint64_t columns, int64_t pitch) {
  if (rows == 0 || columns == 0) return CUBLAS_STATUS_INVALID_VALUE;
  *made = reinterpret_cast<cublasLtMatrixLayout_t>(new Layout{type, rows, columns, pitch});
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  delete reinterpret_cast<Layout*>(layout);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* made) {
  *made = reinterpret_cast<cublasLtMatmulPreference_t>(new int(0));
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  delete reinterpret_cast<int*>(preference);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t /*preference*/,
                                                    cublasLtMatmulPreferenceAttributes_t /*attribute*/,
                                                    const void* /*value*/, size_t /*bytes*/) {
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t /*handle*/,
                                              cublasLtMatmulDesc_t /*description*/,
                                              cublasLtMatrixLayout_t /*a*/, cublasLtMatrixLayout_t /*b*/,
                                              cublasLtMatrixLayout_t /*c*/, cublasLtMatrixLayout_t /*d*/,
                                              cublasLtMatmulPreference_t /*preference*/, int /*wanted*/,
                                              cublasLtMatmulHeuristicResult_t* results, int* found) {
  results[0] = {};
  results[0].state = CUBLAS_STATUS_SUCCESS;
  *found = 1;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t /*handle*/, cublasLtMatmulDesc_t description,
                              const void* /*alpha*/, const void* a, cublasLtMatrixLayout_t a_layout,
                              const void* b, cublasLtMatrixLayout_t b_layout, const void* /*beta*/,
                              const void* /*c*/, cublasLtMatrixLayout_t /*c_layout*/, void* d,
                              cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t* /*algo*/,
                              void* /*workspace*/, size_t /*workspace_bytes*/, cudaStream_t stream) {
  const auto& w = *reinterpret_cast<const Layout*>(a_layout);
  const auto& x = *reinterpret_cast<const Layout*>(b_layout);
  const auto& y = *reinterpret_cast<const Layout*>(d_layout);
  if (a == nullptr || b == nullptr || d == nullptr || w.rows != x.rows || y.rows != w.columns ||
      y.columns != x.columns) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  photovec::device::test::FakeGpu::Get().Queue(
      stream, Product{*reinterpret_cast<const Description*>(description), a, w, b, x, d, y});
  return CUBLAS_STATUS_SUCCESS;
}

}  // extern "C"
