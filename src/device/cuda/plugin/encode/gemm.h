// SPDX-License-Identifier: MIT
#pragma once

#include <cublasLt.h>

#include <compare>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/fold/element.h"

namespace photovec::device {

/// y[rows, columns] = x[rows, depth] w[columns, depth]^T (+ bias[columns]), row-major; products of `element`,
/// sums in f32 (f32 itself without TF32). depth is a multiple of 8.
/// In fp8 x and w are E4M3 with a f32 scale a row each, and the sums are multiplied by both scales before the
/// bias is added (Hopper only; columns and depth are multiples of 16, rows of kFp8RowStep).
struct GemmShape {
  int rows = 0;
  int columns = 0;
  int depth = 0;
  model::Element element = model::Element::kF16;
  bool out_f32 = false;  ///< y and bias are f32, else elements
  bool bias = false;
  bool fp8 = false;  ///< y and bias are f16

  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 takes the 0 inside of it for a pointer
  auto operator<=>(const GemmShape&) const = default;
  double flops() const { return 2.0 * rows * columns * depth; }
};

/// cuBLASLt documents no such rule for x's rows, only for the other two sizes. Full steps cost next to
/// nothing and leave no reason to refuse a kernel.
constexpr int kFp8RowStep = 16;
template <typename Int>
constexpr Int Fp8Rounded(Int rows) {
  return (rows + kFp8RowStep - 1) / kFp8RowStep * kFp8RowStep;
}

/// The w of a product. Not owned.
struct DeviceMatrix {
  const void* data = nullptr;     ///< [columns, depth] elements or E4M3
  const float* scales = nullptr;  ///< [columns] where E4M3
};

/// A product planned for cuBLASLt. Not thread-safe (each stream has its own); immutable but for the
/// pointers to bias and scales.
class Gemm {
 public:
  /// Errors: kDeviceFailed when cuBLASLt refuses the shape.
  static Result<Gemm> Create(const GemmShape& shape);
  Gemm(Gemm&& other) noexcept;
  Gemm& operator=(Gemm&& other) noexcept;
  ~Gemm();

  struct Operands {
    const void* x = nullptr;
    const void* w = nullptr;
    const void* bias = nullptr;  ///< where shape.bias
    void* y = nullptr;
    const float* x_scales = nullptr;  ///< [rows] where shape.fp8
    const float* w_scales = nullptr;  ///< [columns] where shape.fp8
  };
  struct Context {
    cublasLtHandle_t handle = nullptr;
    cudaStream_t stream = nullptr;
    void* workspace = nullptr;
    size_t workspace_bytes = 0;
  };
  Status Run(const Context& context, const Operands& operands, const cublasLtMatmulAlgo_t& algo);
  Status Run(const Context& context, const Operands& operands) { return Run(context, operands, algo_); }

  /// cuBLASLt's candidates for such operands, best guess first.
  Result<std::vector<cublasLtMatmulAlgo_t>> Candidates(const Context& context, const Operands& operands,
                                                       int most);
  void Choose(const cublasLtMatmulAlgo_t& algo) { algo_ = algo; }
  const GemmShape& shape() const { return shape_; }

 private:
  explicit Gemm(const GemmShape& shape) : shape_(shape) {}
  Status Describe();
  Status DescribeFp8();
  Status SetPointers(const Operands& operands);

  GemmShape shape_;
  cublasLtMatmulDesc_t description_ = nullptr;
  cublasLtMatrixLayout_t w_ = nullptr;
  cublasLtMatrixLayout_t x_ = nullptr;
  cublasLtMatrixLayout_t y_ = nullptr;
  cublasLtMatmulAlgo_t algo_{};
};

/// Which algorithm each shape runs with: measured once, shared by all streams of a device, kept in a file
/// from one start to the next under the device's name and cuBLASLt's version. Candidates whose rows depend on
/// where they stand in the batch (K split differently over tiles) are passed over: batch neighbours and
/// places must not change a vector. Thread-safe.
class GemmPlans {
 public:
  /// \param file "" keeps nothing; a file that is missing or of another make is as good as empty.
  GemmPlans(std::string file, std::string device, std::function<void(const std::string&)> log);

  /// What Plan() may write to while it measures: x for rows * depth elements, x_scales (both filled here), y.
  struct Scratch {
    void* x = nullptr;
    float* x_scales = nullptr;  ///< where shape.fp8
    void* y = nullptr;
    unsigned* counter = nullptr;            ///< on the device
    std::span<const DeviceMatrix> weights;  ///< to take in turns, so that they come from memory
    const void* bias = nullptr;

    Gemm::Operands Operands(size_t turn) const {
      const DeviceMatrix& w = weights[turn % weights.size()];
      return {x, w.data, bias, y, x_scales, w.scales};
    }
  };
  /// Chooses gemm's algorithm: known, or measured on context.stream, which must be idle.
  Status Plan(Gemm& gemm, const Gemm::Context& context, const Scratch& scratch);
  /// Writes the file when something was measured. Failing to is logged, and harmless.
  void Save();

 private:
  Result<cublasLtMatmulAlgo_t> Measure(Gemm& gemm, const Gemm::Context& context, const Scratch& scratch);
  void Load();

  const std::string file_;
  const std::string device_;
  const std::function<void(const std::string&)> log_;
  std::mutex mutex_;
  std::map<GemmShape, cublasLtMatmulAlgo_t> known_;
  bool changed_ = false;
};

}  // namespace photovec::device
