// SPDX-License-Identifier: MIT
#include "device/cuda/plugin/encode/gemm.h"

#include <cstdint>
#include <utility>

#include "device/cuda/plugin/cuda_check.h"

namespace photovec::device {
namespace {

cudaDataType_t TypeOf(model::Element element) {
  switch (element) {
    case model::Element::kF16:
      return CUDA_R_16F;
    case model::Element::kBF16:
      return CUDA_R_16BF;
    case model::Element::kF32:
      break;
  }
  return CUDA_R_32F;
}

template <typename T>
Status SetAttribute(cublasLtMatmulDesc_t description, cublasLtMatmulDescAttributes_t attribute,
                    const T& value) {
  CUBLAS_OK(cublasLtMatmulDescSetAttribute(description, attribute, &value, sizeof(value)));
  return Status::Ok();
}

}  // namespace

Result<Gemm> Gemm::Create(const GemmShape& shape) {
  Gemm gemm(shape);
  RETURN_IF_ERROR(gemm.Describe());
  return gemm;
}

// cuBLASLt thinks in columns: our row-major y is its y^T = w x^T, with w stored transposed.
Status Gemm::Describe() {
  const cudaDataType_t in = shape_.fp8 ? CUDA_R_8F_E4M3 : TypeOf(shape_.element);
  const cudaDataType_t out = shape_.out_f32 ? CUDA_R_32F : TypeOf(shape_.element);
  CUBLAS_OK(cublasLtMatmulDescCreate(&description_, CUBLAS_COMPUTE_32F, CUDA_R_32F));
  RETURN_IF_ERROR(SetAttribute(description_, CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_T));
  RETURN_IF_ERROR(SetAttribute(description_, CUBLASLT_MATMUL_DESC_TRANSB, CUBLAS_OP_N));
  if (shape_.bias) {
    RETURN_IF_ERROR(SetAttribute(description_, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS));
    RETURN_IF_ERROR(SetAttribute(description_, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, out));
  }
  if (shape_.fp8) RETURN_IF_ERROR(DescribeFp8());
  const auto rows = static_cast<uint64_t>(shape_.rows);
  const auto columns = static_cast<uint64_t>(shape_.columns);
  const auto depth = static_cast<uint64_t>(shape_.depth);
  CUBLAS_OK(cublasLtMatrixLayoutCreate(&w_, in, depth, columns, shape_.depth));
  CUBLAS_OK(cublasLtMatrixLayoutCreate(&x_, in, depth, rows, shape_.depth));
  CUBLAS_OK(cublasLtMatrixLayoutCreate(&y_, out, columns, rows, shape_.columns));
  return Status::Ok();
}

// A row of w is a row of cuBLASLt's op(A), a row of x a column of its op(B). CUBLASLT_MATMUL_DESC_FAST_ACCUM
// stays 0: sums kept in the tensor cores alone have fewer bits than f32, which adds up over deep products.
Status Gemm::DescribeFp8() {
  RETURN_IF_ERROR(SetAttribute(description_, CUBLASLT_MATMUL_DESC_A_SCALE_MODE,
                               CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F));
  return SetAttribute(description_, CUBLASLT_MATMUL_DESC_B_SCALE_MODE,
                      CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F);
}

Status Gemm::SetPointers(const Operands& operands) {
  if (shape_.bias)
    RETURN_IF_ERROR(SetAttribute(description_, CUBLASLT_MATMUL_DESC_BIAS_POINTER, operands.bias));
  if (!shape_.fp8) return Status::Ok();
  RETURN_IF_ERROR(SetAttribute(description_, CUBLASLT_MATMUL_DESC_A_SCALE_POINTER, operands.w_scales));
  return SetAttribute(description_, CUBLASLT_MATMUL_DESC_B_SCALE_POINTER, operands.x_scales);
}

Gemm::Gemm(Gemm&& other) noexcept : shape_(other.shape_) { *this = std::move(other); }

Gemm& Gemm::operator=(Gemm&& other) noexcept {
  std::swap(shape_, other.shape_);
  std::swap(description_, other.description_);
  std::swap(w_, other.w_);
  std::swap(x_, other.x_);
  std::swap(y_, other.y_);
  std::swap(algo_, other.algo_);
  return *this;
}

Gemm::~Gemm() {
  for (const cublasLtMatrixLayout_t layout : {w_, x_, y_}) {
    if (layout != nullptr) (void)cublasLtMatrixLayoutDestroy(layout);
  }
  if (description_ != nullptr) (void)cublasLtMatmulDescDestroy(description_);
}

Status Gemm::Run(const Context& context, const Operands& operands, const cublasLtMatmulAlgo_t& algo) {
  RETURN_IF_ERROR(SetPointers(operands));
  const float one = 1;
  const float zero = 0;
  CUBLAS_OK(cublasLtMatmul(context.handle, description_, &one, operands.w, w_, operands.x, x_, &zero,
                           operands.y, y_, operands.y, y_, &algo, context.workspace, context.workspace_bytes,
                           context.stream));
  return Status::Ok();
}

Result<std::vector<cublasLtMatmulAlgo_t>> Gemm::Candidates(const Context& context, const Operands& operands,
                                                           int most) {
  // Without scales it would look for another product.
  if (shape_.fp8) RETURN_IF_ERROR(SetPointers(operands));
  cublasLtMatmulPreference_t preference = nullptr;
  CUBLAS_OK(cublasLtMatmulPreferenceCreate(&preference));
  const std::unique_ptr<std::remove_pointer_t<cublasLtMatmulPreference_t>,
                        decltype(&cublasLtMatmulPreferenceDestroy)>
      owner(preference, &cublasLtMatmulPreferenceDestroy);
  CUBLAS_OK(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                 &context.workspace_bytes, sizeof(context.workspace_bytes)));
  std::vector<cublasLtMatmulHeuristicResult_t> results(static_cast<size_t>(most));
  int found = 0;
  const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(context.handle, description_, w_, x_, y_, y_,
                                                               preference, most, results.data(), &found);
  if (status != CUBLAS_STATUS_NOT_SUPPORTED) CUBLAS_OK(status);
  std::vector<cublasLtMatmulAlgo_t> algos;
  for (int i = 0; i < found; ++i) {
    const auto& result = results[static_cast<size_t>(i)];
    if (result.state == CUBLAS_STATUS_SUCCESS) algos.push_back(result.algo);
  }
  if (algos.empty()) {
    return Status(Code::kDeviceFailed, "cuBLASLt has no way to multiply [" + std::to_string(shape_.rows) +
                                           ", " + std::to_string(shape_.depth) + "] by [" +
                                           std::to_string(shape_.depth) + ", " +
                                           std::to_string(shape_.columns) + "]" +
                                           (shape_.fp8 ? " in fp8" : "") + (shape_.bias ? " with bias" : ""));
  }
  return algos;
}

}  // namespace photovec::device
