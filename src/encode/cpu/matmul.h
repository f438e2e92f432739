// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <oneapi/dnnl/dnnl.hpp>
#include <span>
#include <string>
#include <vector>

#include "encode/cpu/arena.h"
#include "encode/cpu/kernels.h"
#include "encode/cpu/onednn_compat.h"

namespace photovec::encode::cpu {

/// Columns [first, first + count) of a product: what one call computes.
struct Columns {
  int first = 0;
  int count = 0;
};

/// Which of oneDNN's primitives computes a product. With AVX-512 its matmul keeps weights packed (brgemm).
/// Without, matmul is the old gemm, which packs the weights anew at every call (at 50 rows a third of its
/// time) and adds up K in an order that depends on M; a 1x1 convolution of the same numbers has kernels of
/// its own, with packed weights.
enum class Primitive { kMatmul, kPointwise };

/// The form in which oneDNN wants a [K, N] weight matrix. Depends on K, N, the primitive and the element
/// type, not on M.
class WeightLayout {
 public:
  /// \param rows the M that will be used most.
  /// \param step K is added up in steps of so many, each a product of its own; divides depth. 0: oneDNN adds
  /// all of K up. Less than that is for kMatmul only. Throws dnnl::error.
  WeightLayout(const dnnl::engine& engine, int rows, int depth, int columns, model::Element element,
               Primitive primitive, int step = 0);

  size_t bytes() const { return step_bytes_ * static_cast<size_t>(steps()); }
  int depth() const { return depth_; }
  int step() const { return step_; }
  int steps() const { return depth_ / step_; }
  int columns() const { return columns_; }
  model::Element element() const { return element_; }
  Primitive primitive() const { return primitive_; }
  /// Of one step, and where the next one's begins.
  const dnnl::memory::desc& desc() const { return desc_; }
  size_t step_bytes() const { return step_bytes_; }
  /// Columns can be cut out at multiples of this; equal to columns() when they cannot be cut at all.
  int column_unit() const { return column_unit_; }
  const std::string& implementation() const { return implementation_; }
  /// Gives up cutting: see RowInvariant().
  void ForbidCuts() { column_unit_ = columns_; }
  /// Descriptor and byte offset of a cut in one step; `columns` in units of column_unit().
  dnnl::memory::desc CutDesc(Columns columns) const;
  size_t CutOffset(Columns columns) const;

 private:
  int depth_;
  int columns_;
  int step_;
  model::Element element_;
  Primitive primitive_;
  dnnl::memory::desc desc_;
  size_t step_bytes_;
  int column_unit_;
  std::string implementation_;
  BlockedLayout layout_;
};

/// A weight matrix in oneDNN's form, read-only after Pack(). Memory belongs to an arena.
class WeightMatrix {
 public:
  WeightMatrix() = default;
  /// \param weight [N, K] f32 rows, as checkpoints store them; read only during the call. Throws dnnl::error.
  /// \param memory layout.bytes() bytes.
  WeightMatrix(const dnnl::engine& engine, const WeightLayout* layout, std::span<const float> weight,
               void* memory);

  const WeightLayout& layout() const { return *layout_; }
  /// A handle on some columns of one step of K. Throws dnnl::error.
  dnnl::memory Cut(const dnnl::engine& engine, Columns columns, int step) const;

 private:
  const WeightLayout* layout_ = nullptr;
  uint8_t* data_ = nullptr;
};

/// Whether a row of the product has the same bits for each of these M, and in a cut as in the whole: whether
/// oneDNN adds up K in the same order. Then neighbours in a batch cannot change a row. Found out by
/// computing, because no library promises it: brgemm on AVX-512 and the convolutions do, the older gemm:jit
/// does not, and brgemm on AMX does as long as K is at most kAmxStep: beyond, it parts K by the size of M and
/// N. Every M must be at least kLeastRows. Throws dnnl::error.
bool RowInvariant(const dnnl::engine& engine, const WeightLayout& layout, std::span<const int> rows);

/// The least M that a product is ever run with. For a single row oneDNN 3 takes another path, and up to four
/// rows brgemm on AMX (oneDNN 2.6) has one of its own; eight cost no time that could be measured.
inline constexpr int kLeastRows = 8;
/// Steps of K, where they are needed, are at most so long.
inline constexpr int kAmxStep = 768;

/// One bound product: out[M, count] = in[M, K] * weight columns, f32 out. Created at warm-up, run many times.
class MatmulCall {
 public:
  /// \param in [rows, K] elements of the layout's type.
  /// \param out [rows, columns.count] f32. Both, and
  /// `weight`, must outlive the call. Throws dnnl::error.
  MatmulCall(const dnnl::engine& engine, const WeightMatrix& weight, Columns columns, int rows,
             const void* in, float* out);

  size_t scratch_bytes() const { return scratch_bytes_; }
  /// \param memory scratch_bytes() bytes, shared by calls that never run at the same time.
  void BindScratch(const dnnl::engine& engine, void* memory);
  /// False when oneDNN failed (it had no memory); `out` is then undefined.
  bool Run(const dnnl::stream& stream) const;
  Columns columns() const { return columns_; }
  Panel panel() const { return {out_, columns_.first, columns_.count}; }

 private:
  struct Step {
    dnnl::primitive primitive;
    dnnl::memory in, weight, out, scratch;
    dnnl::memory::desc scratch_desc;
    std::vector<dnnl_exec_arg_t> args;
  };
  std::vector<Step> steps_;
  Columns columns_;
  float* out_;
  size_t scratch_bytes_ = 0;
};

/// The share of `total` that falls to `rank` of `size`, in whole units: [first, last).
struct Range {
  int first = 0;
  int last = 0;
  int count() const { return last - first; }
};
constexpr Range Share(int total, int unit, int rank, int size) {
  const int units = (total + unit - 1) / unit;
  const auto border = [&](int r) {
    const int at = static_cast<int>(static_cast<int64_t>(units) * r / size) * unit;
    return at < total ? at : total;
  };
  return {border(rank), border(rank + 1)};
}

}  // namespace photovec::encode::cpu
