// SPDX-License-Identifier: MIT
#include "encode/cpu/matmul.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <random>
#include <utility>

#include "base/tensor_view.h"

namespace photovec::encode::cpu {
namespace {
using dnnl::memory;

memory::data_type TypeOf(model::Element element) {
  return element == model::Element::kF32 ? memory::data_type::f32 : memory::data_type::bf16;
}

/// A primitive for one product, and what it wants its operands to look like.
struct Product {
  dnnl::primitive primitive;
  memory::desc src, weights, dst, scratch;
  std::string implementation;
};

template <typename PrimitiveDesc, typename Made>
Product From(const PrimitiveDesc& plan, Made made) {
  return {std::move(made), plan.src_desc(),        plan.weights_desc(),
          plan.dst_desc(), plan.scratchpad_desc(), plan.impl_info_str()};
}

/// One caller at a time: streams warm up at once, and ThreadSanitizer sees races in oneDNN 2.6's cache of
/// primitives, whose keys point into what another thread is making.
/// \param stride elements from one row of the input to the next, of which `depth` are used.
Product Describe(const dnnl::engine& engine, int rows, int depth, int stride, int columns,
                 model::Element element, Primitive primitive, const memory::desc& weights, bool accumulate) {
  static std::mutex one_at_a_time;
  const std::lock_guard lock(one_at_a_time);
  const memory::data_type type = TypeOf(element);
  constexpr auto kOut = memory::data_type::f32;
  if (primitive == Primitive::kMatmul) {
    const memory::desc in({rows, depth}, type, memory::dims{stride, 1});
    const auto plan =
        MakeMatmul(engine, in, weights, {{rows, columns}, kOut, memory::format_tag::ab}, accumulate);
    return From(plan, dnnl::matmul(plan));
  }
  const auto plan = MakePointwise(engine, {{1, depth, 1, rows}, type, memory::format_tag::nhwc}, weights,
                                  {{1, columns, 1, rows}, kOut, memory::format_tag::nhwc});
  return From(plan, dnnl::convolution_forward(plan));
}

memory::dims WeightDims(int depth, int columns, Primitive primitive) {
  if (primitive == Primitive::kMatmul) return {depth, columns};
  return {columns, depth, 1, 1};
}

memory::desc Any(int depth, int columns, model::Element element, Primitive primitive) {
  return {WeightDims(depth, columns, primitive), TypeOf(element), memory::format_tag::any};
}

int ColumnAxis(Primitive primitive) { return primitive == Primitive::kMatmul ? 1 : 0; }

}  // namespace

WeightLayout::WeightLayout(const dnnl::engine& engine, int rows, int depth, int columns,
                           model::Element element, Primitive primitive, int step)
    : depth_(depth),
      columns_(columns),
      step_(step == 0 ? depth : step),
      element_(element),
      primitive_(primitive) {
  const auto describe = [&](int count) {
    return Describe(engine, rows, step_, depth, count, element, primitive,
                    Any(step_, count, element, primitive), false);
  };
  const Product whole = describe(columns);
  desc_ = whole.weights;
  step_bytes_ = Arena::Rounded(desc_.get_size());
  implementation_ = whole.implementation;
  layout_ = LayoutOf(desc_);
  column_unit_ = columns;
  const auto unit = static_cast<int>(layout_.ColumnBlock(ColumnAxis(primitive)));
  // A cut is right only if oneDNN blocks it as it blocks the whole, so ask.
  if (unit > 1 && unit < columns && columns % unit == 0) {
    if (LayoutOf(describe(unit).weights) == layout_) column_unit_ = unit;
  }
}

memory::desc WeightLayout::CutDesc(Columns columns) const {
  if (columns.count == columns_) return desc_;
  const memory::dims dims = WeightDims(step_, columns.count, primitive_);
  return desc_.submemory_desc(dims, memory::dims(dims.size(), 0));
}

size_t WeightLayout::CutOffset(Columns columns) const {
  const auto block = static_cast<size_t>(columns.first) / static_cast<size_t>(column_unit_);
  const auto stride = static_cast<size_t>(layout_.strides[static_cast<size_t>(ColumnAxis(primitive_))]);
  return column_unit_ == columns_ ? 0 : block * stride * model::ElementBytes(element_);
}

WeightMatrix::WeightMatrix(const dnnl::engine& engine, const WeightLayout* layout,
                           std::span<const float> weight, void* memory_at)
    : layout_(layout), data_(static_cast<uint8_t*>(memory_at)) {
  // Checkpoints store [N, K], which is what a convolution calls it too.
  const bool matmul = layout->primitive() == Primitive::kMatmul;
  const memory::dim depth = layout->depth();
  const memory::desc plain(WeightDims(layout->step(), layout->columns(), layout->primitive()),
                           memory::data_type::f32,
                           matmul ? memory::dims{1, depth} : memory::dims{depth, 1, 1, 1});
  dnnl::stream stream(engine);
  for (int step = 0; step < layout->steps(); ++step) {
    const float* first = weight.data() + static_cast<size_t>(step) * static_cast<size_t>(layout->step());
    memory from(plain, engine, const_cast<float*>(first));
    memory to(layout->desc(), engine, data_ + static_cast<size_t>(step) * layout->step_bytes());
    dnnl::reorder(from, to).execute(stream, from, to);
    stream.wait();
  }
}

memory WeightMatrix::Cut(const dnnl::engine& engine, Columns columns, int step) const {
  return {layout_->CutDesc(columns), engine,
          data_ + static_cast<size_t>(step) * layout_->step_bytes() + layout_->CutOffset(columns)};
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
  std::vector<uint16_t> in_bf16(layout.element() == model::Element::kBF16 ? in.size() : 0);
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
  // The narrowest cut, and one that is wide.
  const int unit = layout.column_unit();
  std::vector<int> counts = {layout.columns(), unit, layout.columns() / unit * 3 / 4 * unit};
  if (unit == layout.columns()) counts.resize(1);
  for (const int m : rows) {
    for (const int count : counts) {
      if (count == 0) continue;
      const std::vector<float> part = product({layout.columns() - count, count}, m);
      if (part.empty()) return false;
      const auto width = static_cast<size_t>(count);
      for (size_t r = 0; r < part.size() / width; ++r) {
        const float* row = whole.data() + (r + 1) * columns - width;
        if (std::memcmp(part.data() + r * width, row, width * sizeof(float)) != 0) return false;
      }
    }
  }
  return true;
}

MatmulCall::MatmulCall(const dnnl::engine& engine, const WeightMatrix& weight, Columns columns, int rows,
                       const void* in, float* out)
    : columns_(columns), out_(out) {
  const WeightLayout& layout = weight.layout();
  rows = std::max(rows, kLeastRows);
  const size_t in_step = static_cast<size_t>(layout.step()) * model::ElementBytes(layout.element());
  steps_.resize(static_cast<size_t>(layout.steps()));
  for (int i = 0; i < layout.steps(); ++i) {
    const Product product = Describe(engine, rows, layout.step(), layout.depth(), columns.count,
                                     layout.element(), layout.primitive(), layout.CutDesc(columns), i > 0);
    Step& step = steps_[static_cast<size_t>(i)];
    step.primitive = product.primitive;
    auto* from = static_cast<uint8_t*>(const_cast<void*>(in)) + static_cast<size_t>(i) * in_step;
    step.in = memory(product.src, engine, from);
    step.weight = weight.Cut(engine, columns, i);
    step.out = memory(product.dst, engine, out);
    step.scratch_desc = product.scratch;
    step.args = {
        {DNNL_ARG_SRC, step.in.get()}, {DNNL_ARG_WEIGHTS, step.weight.get()}, {DNNL_ARG_DST, step.out.get()}};
    scratch_bytes_ = std::max(scratch_bytes_, step.scratch_desc.get_size());
  }
}

void MatmulCall::BindScratch(const dnnl::engine& engine, void* memory_at) {
  for (Step& step : steps_) {
    if (step.scratch_desc.get_size() == 0) continue;
    step.scratch = memory(step.scratch_desc, engine, memory_at);
    step.args.resize(3);
    step.args.push_back({DNNL_ARG_SCRATCHPAD, step.scratch.get()});
  }
}

bool MatmulCall::Run(const dnnl::stream& stream) const {
  // The C interface: the C++ one builds a hash map at every call.
  return std::all_of(steps_.begin(), steps_.end(), [&](const Step& step) {
    return dnnl_primitive_execute(step.primitive.get(), stream.get(), static_cast<int>(step.args.size()),
                                  step.args.data()) == dnnl_success;
  });
}

}  // namespace photovec::encode::cpu
