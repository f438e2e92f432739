// SPDX-License-Identifier: MIT
#include "encode/cpu/matmul.h"

#include <algorithm>
#include <cstring>
#include <random>

#include "base/tensor_view.h"

namespace photovec::encode::cpu {
namespace {
using dnnl::memory;

memory::data_type TypeOf(Element element) {
  return element == Element::kF32 ? memory::data_type::f32 : memory::data_type::bf16;
}

memory::desc Dense(int rows, int columns, memory::data_type type) {
  return {{rows, columns}, type, memory::format_tag::ab};
}

dnnl::matmul::primitive_desc Describe(const dnnl::engine& engine, int rows, int depth, int columns,
                                      Element element, const memory::desc& weights) {
  return MakeMatmul(engine, Dense(rows, depth, TypeOf(element)), weights,
                    Dense(rows, columns, memory::data_type::f32));
}

memory::desc Any(int depth, int columns, Element element) {
  return {{depth, columns}, TypeOf(element), memory::format_tag::any};
}

}  // namespace

WeightLayout::WeightLayout(const dnnl::engine& engine, int rows, int depth, int columns, Element element)
    : depth_(depth), columns_(columns), element_(element) {
  const auto plan = Describe(engine, rows, depth, columns, element, Any(depth, columns, element));
  desc_ = plan.weights_desc();
  implementation_ = plan.impl_info_str();
  layout_ = LayoutOf(desc_);
  column_unit_ = columns;
  const auto unit = static_cast<int>(layout_.ColumnBlock());
  // A cut is right only if oneDNN blocks it as it blocks the whole, so ask.
  if (unit > 1 && unit < columns && columns % unit == 0) {
    const auto part = Describe(engine, rows, depth, unit, element, Any(depth, unit, element)).weights_desc();
    if (LayoutOf(part) == layout_) column_unit_ = unit;
  }
}

memory::desc WeightLayout::CutDesc(Columns columns) const {
  if (columns.count == columns_) return desc_;
  return desc_.submemory_desc({depth_, columns.count}, {0, 0});
}

size_t WeightLayout::CutOffset(Columns columns) const {
  const auto block = static_cast<size_t>(columns.first) / static_cast<size_t>(column_unit_);
  return column_unit_ == columns_ ? 0
                                  : block * static_cast<size_t>(layout_.strides[1]) * ElementBytes(element_);
}

WeightMatrix::WeightMatrix(const dnnl::engine& engine, const WeightLayout* layout,
                           std::span<const float> weight, void* memory_at)
    : layout_(layout), data_(static_cast<uint8_t*>(memory_at)) {
  const memory::desc plain({layout->depth(), layout->columns()}, memory::data_type::f32,
                           memory::format_tag::ba);
  memory from(plain, engine, const_cast<float*>(weight.data()));
  memory to(layout->desc(), engine, data_);
  dnnl::stream stream(engine);
  dnnl::reorder(from, to).execute(stream, from, to);
  stream.wait();
}

memory WeightMatrix::Cut(const dnnl::engine& engine, Columns columns) const {
  return {layout_->CutDesc(columns), engine, data_ + layout_->CutOffset(columns)};
}

bool RowInvariant(const dnnl::engine& engine, const WeightLayout& layout, std::span<const int> rows) {
  const auto depth = static_cast<size_t>(layout.depth());
  const auto columns = static_cast<size_t>(layout.columns());
  const auto most = static_cast<size_t>(*std::max_element(rows.begin(), rows.end()));
  std::minstd_rand random(1);
  const auto fill = [&](std::vector<float>& values) {
    for (float& value : values) value = static_cast<float>(random() % 65536) / 32768.0F - 1.0F;
  };
  std::vector<float> weight(depth * columns);
  fill(weight);
  std::vector<float> in(most * depth);
  fill(in);
  std::vector<uint16_t> in_bf16(layout.element() == Element::kBF16 ? in.size() : 0);
  std::transform(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(in_bf16.size()), in_bf16.begin(),
                 FloatToBFloat16);
  const void* source = in_bf16.empty() ? static_cast<const void*>(in.data()) : in_bf16.data();
  std::vector<uint8_t> packed(layout.bytes() + 64);
  const auto at = (reinterpret_cast<uintptr_t>(packed.data()) + 63) / 64 * 64;
  const WeightMatrix matrix(engine, &layout, weight, reinterpret_cast<void*>(at));

  const dnnl::stream stream(engine);
  std::vector<uint8_t> scratch;
  const auto product = [&](Columns part, int m) {
    std::vector<float> out(static_cast<size_t>(m) * static_cast<size_t>(part.count));
    MatmulCall call(engine, matrix, part, m, source, out.data());
    scratch.resize(std::max(scratch.size(), call.scratch_bytes() + 64));
    call.BindScratch(engine,
                     reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(scratch.data()) + 63) / 64 * 64));
    if (!call.Run(stream)) out.clear();
    return out;
  };
  const std::vector<float> whole = product({0, layout.columns()}, static_cast<int>(most));
  const int cut = layout.column_unit();
  for (const int m : rows) {
    const std::vector<float> fewer = product({0, layout.columns()}, m);
    if (fewer.empty() || std::memcmp(fewer.data(), whole.data(), fewer.size() * sizeof(float)) != 0)
      return false;
    if (cut == layout.columns()) continue;
    const std::vector<float> part = product({layout.columns() - cut, cut}, m);
    for (size_t r = 0; r < part.size() / static_cast<size_t>(cut); ++r) {
      const float* row = whole.data() + (r + 1) * columns - static_cast<size_t>(cut);
      if (std::memcmp(part.data() + r * static_cast<size_t>(cut), row,
                      static_cast<size_t>(cut) * sizeof(float)) != 0) {
        return false;
      }
    }
    if (part.empty()) return false;
  }
  return true;
}

MatmulCall::MatmulCall(const dnnl::engine& engine, const WeightMatrix& weight, Columns columns, int rows,
                       const void* in, float* out)
    : columns_(columns), out_(out) {
  const WeightLayout& layout = weight.layout();
  rows = std::max(rows, kLeastRows);
  const auto plan =
      Describe(engine, rows, layout.depth(), columns.count, layout.element(), layout.CutDesc(columns));
  primitive_ = dnnl::matmul(plan);
  in_memory_ = memory(plan.src_desc(), engine, const_cast<void*>(in));
  weight_memory_ = weight.Cut(engine, columns);
  out_memory_ = memory(plan.dst_desc(), engine, out);
  scratch_desc_ = plan.scratchpad_desc();
  scratch_bytes_ = scratch_desc_.get_size();
  args_ = {{DNNL_ARG_SRC, in_memory_.get()},
           {DNNL_ARG_WEIGHTS, weight_memory_.get()},
           {DNNL_ARG_DST, out_memory_.get()}};
}

void MatmulCall::BindScratch(const dnnl::engine& engine, void* memory_at) {
  if (scratch_bytes_ == 0) return;
  scratch_memory_ = memory(scratch_desc_, engine, memory_at);
  args_.resize(3);
  args_.push_back({DNNL_ARG_SCRATCHPAD, scratch_memory_.get()});
}

bool MatmulCall::Run(const dnnl::stream& stream) const {
  // The C interface: the C++ one builds a hash map at every call.
  return dnnl_primitive_execute(primitive_.get(), stream.get(), static_cast<int>(args_.size()),
                                args_.data()) == dnnl_success;
}

}  // namespace photovec::encode::cpu
