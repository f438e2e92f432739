// SPDX-License-Identifier: MIT
#pragma once

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
  /// \param rows the M that will be used most. Throws dnnl::error.
  WeightLayout(const dnnl::engine& engine, int rows, int depth, int columns, Element element,
               Primitive primitive);

  size_t bytes() const { return desc_.get_size(); }
  int depth() const { return depth_; }
  int columns() const { return columns_; }
  Element element() const { return element_; }
  Primitive primitive() const { return primitive_; }
  const dnnl::memory::desc& desc() const { return desc_; }
  /// Columns can be cut out at multiples of this; equal to columns() when they cannot be cut at all.
  int column_unit() const { return column_unit_; }
  const std::string& implementation() const { return implementation_; }
  /// Gives up cutting: see RowInvariant().
  void ForbidCuts() { column_unit_ = columns_; }
  /// Descriptor and byte offset of a cut; `columns` in units of column_unit().
  dnnl::memory::desc CutDesc(Columns columns) const;
  size_t CutOffset(Columns columns) const;

 private:
  int depth_;
  int columns_;
  Element element_;
  Primitive primitive_;
  dnnl::memory::desc desc_;
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
  /// A handle on some columns. Throws dnnl::error.
  dnnl::memory Cut(const dnnl::engine& engine, Columns columns) const;

 private:
  const WeightLayout* layout_ = nullptr;
  uint8_t* data_ = nullptr;
};

/// Whether a row of the product has the same bits for each of these M, and in a cut as in the whole: whether
/// oneDNN adds up K in the same order. Then neighbours in a batch cannot change a row. Found out by
/// computing, because no library promises it: brgemm (AVX-512) and the convolutions do, the older gemm:jit
/// does not. Every M must be at least 2: for a single row, oneDNN 3 takes another path. Throws dnnl::error.
bool RowInvariant(const dnnl::engine& engine, const WeightLayout& layout, std::span<const int> rows);

/// The least M that a product is ever run with; see RowInvariant().
inline constexpr int kLeastRows = 2;

/// One bound product: out[M, count] = in[M, K] * weight columns, f32 out. Created at warm-up, run many times.
class MatmulCall {
 public:
  /// \param in [rows, K] elements of the layout's type. \param out [rows, columns.count] f32. Both, and
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
  dnnl::primitive primitive_;
  dnnl::memory in_memory_;
  dnnl::memory weight_memory_;
  dnnl::memory out_memory_;
  dnnl::memory scratch_memory_;
  dnnl::memory::desc scratch_desc_;
  Columns columns_;
  float* out_;
  size_t scratch_bytes_;
  std::vector<dnnl_exec_arg_t> args_;
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
