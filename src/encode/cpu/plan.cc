// SPDX-License-Identifier: MIT
#include "encode/cpu/plan.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace photovec::encode::cpu {
namespace {

// A thread's panel of q k v or of fc1 columns: what a product leaves in the second-level cache for the kernel
// that reads it next.
constexpr size_t kPanelFloats = size_t{96} * 1024;

// Heads whose columns can be cut out of a matrix with `per_head` columns a head.
int HeadUnit(const WeightLayout& layout, int per_head, int heads) {
  if (layout.column_unit() == layout.columns()) return heads;
  return std::min(heads, std::lcm(layout.column_unit(), per_head) / per_head);
}

int HeadUnit(const PackedModel& model, const PackedBlock& block, bool last) {
  const auto& config = model.config();
  const int hd = config.head_dim();
  const int unit = HeadUnit(block.qkv.layout(), last ? 2 * hd : 3 * hd, config.heads);
  return last ? std::min(config.heads, std::lcm(unit, HeadUnit(block.q.layout(), hd, config.heads))) : unit;
}

// Cuts [range.first, range.last) into even parts whose panels of `rows` rows fit in the cache.
std::vector<Range> CutForCache(Range range, int unit, int columns_each, int rows) {
  if (range.count() == 0) return {};
  const size_t floats =
      static_cast<size_t>(range.count()) * static_cast<size_t>(columns_each) * static_cast<size_t>(rows);
  const int units = (range.count() + unit - 1) / unit;
  const int parts = std::clamp(static_cast<int>((floats + kPanelFloats - 1) / kPanelFloats), 1, units);
  std::vector<Range> cuts;
  for (int part = 0; part < parts; ++part) {
    const Range cut = Share(range.count(), unit, part, parts);
    if (cut.count() > 0) cuts.push_back({range.first + cut.first, range.first + cut.last});
  }
  return cuts;
}

size_t WidestPanel(const PackedModel& model) {
  const auto& config = model.config();
  const auto rows = static_cast<size_t>(std::max(model.group_images() * config.tokens(), kLeastRows));
  size_t floats = 0;
  for (size_t i = 0; i < model.blocks.size(); ++i) {
    const PackedBlock& block = model.blocks[i];
    const bool last = i + 1 == model.blocks.size();
    const int heads = HeadUnit(model, block, last);
    const size_t columns = std::max(static_cast<size_t>(heads) * static_cast<size_t>(config.head_dim()) * 3,
                                    static_cast<size_t>(block.fc1.layout().column_unit()));
    floats = std::max(floats, rows * columns);
  }
  // Parts are even only up to one unit, hence twice.
  return 2 * std::max(floats, kPanelFloats);
}

class Builder {
 public:
  Builder(const PackedModel& model, int images, const SharedBuffers& shared, const PrivateBuffers& own,
          int rank, int size)
      : model_(model), images_(images), shared_(shared), own_(own), rank_(rank), size_(size) {}

  RankPlan Build() {
    const auto& config = model_.config();
    RankPlan plan;
    plan.own = own_;
    plan.patch = DimWide(model_.patch, images_ * config.patches(), shared_.wide);
    for (size_t i = 0; i < model_.blocks.size(); ++i) {
      plan.blocks.push_back(Block(model_.blocks[i], i + 1 == model_.blocks.size()));
    }
    if (config.projection_dim > 0) {
      plan.projection = Mine(model_.projection, model_.projection.layout().column_unit(), images_,
                             shared_.pooled, own_.panel);
    }
    return plan;
  }

 private:
  std::vector<MatmulCall> Mine(const WeightMatrix& weight, int unit, int rows, const void* in, float* out) {
    const Range mine = Share(weight.layout().columns(), unit, rank_, size_);
    std::vector<MatmulCall> calls;
    if (mine.count() > 0)
      calls.emplace_back(model_.engine(), weight, Columns{mine.first, mine.count()}, rows, in, out);
    return calls;
  }

  // All products that are D wide are cut alike, because they share the ranks' `product` buffers.
  std::vector<MatmulCall> DimWide(const WeightMatrix& weight, int rows, const void* in) {
    const PackedBlock& block = model_.blocks.front();
    const int unit = block.out.layout().column_unit();
    const bool alike =
        model_.patch.layout().column_unit() == unit && block.fc2.layout().column_unit() == unit;
    return Mine(weight, alike ? unit : model_.config().hidden_size, rows, in, own_.product);
  }

  BlockCalls Block(const PackedBlock& block, bool last) {
    const auto& config = model_.config();
    const int hd = config.head_dim();
    const int rows = images_ * config.tokens();
    const int per_head = last ? 2 * hd : 3 * hd;
    const int unit = HeadUnit(model_, block, last);
    const Range heads = Share(config.heads, unit, rank_, size_);
    BlockCalls calls;
    for (const Range& cut : CutForCache(heads, unit, per_head, rows)) {
      const Columns columns{cut.first * per_head, cut.count() * per_head};
      calls.qkv.push_back(
          {cut.first, cut.count(),
           MatmulCall(model_.engine(), block.qkv, columns, rows, shared_.normed, own_.panel)});
    }
    if (last && heads.count() > 0) {
      calls.query.emplace_back(model_.engine(), block.q, Columns{heads.first * hd, heads.count() * hd},
                               images_, shared_.pooled, own_.product);
    }
    const int tail_rows = last ? images_ : rows;
    calls.out = DimWide(block.out, tail_rows, shared_.attended);
    const int fc1_unit = block.fc1.layout().column_unit();
    const Range mine = Share(config.mlp_size, fc1_unit, rank_, size_);
    for (const Range& cut : CutForCache(mine, fc1_unit, 1, tail_rows)) {
      calls.fc1.emplace_back(model_.engine(), block.fc1, Columns{cut.first, cut.count()}, tail_rows,
                             last ? shared_.pooled : shared_.normed, own_.panel);
    }
    calls.fc2 = DimWide(block.fc2, tail_rows, shared_.wide);
    return calls;
  }

  const PackedModel& model_;
  const int images_;
  const SharedBuffers& shared_;
  const PrivateBuffers& own_;
  const int rank_;
  const int size_;
};

template <typename Visit>
void ForEachCall(RankPlan& plan, Visit visit) {
  const auto all = [&](std::vector<MatmulCall>& calls) {
    for (MatmulCall& call : calls) visit(call);
  };
  all(plan.patch);
  for (BlockCalls& block : plan.blocks) {
    for (HeadsCall& call : block.qkv) visit(call.product);
    all(block.query);
    all(block.out);
    all(block.fc1);
    all(block.fc2);
  }
  all(plan.projection);
}

}  // namespace

Result<ThreadMemory> ThreadMemory::Create(const PackedModel& model) {
  const auto& config = model.config();
  // Products of fewer rows than kLeastRows read and write that many.
  const auto at_least = [&](int each) {
    return static_cast<size_t>(std::max(model.group_images() * each, kLeastRows));
  };
  const size_t images = at_least(1);
  const size_t rows = at_least(config.tokens());
  const size_t element = model::ElementBytes(model.element());
  const auto dim = static_cast<size_t>(config.hidden_size);
  const size_t patch_elements = at_least(config.patches()) * static_cast<size_t>(config.patch_size) *
                                static_cast<size_t>(config.patch_size) * 3;
  const size_t wide = std::max(rows * static_cast<size_t>(config.mlp_size), patch_elements);
  const size_t panel = std::max(WidestPanel(model), images * static_cast<size_t>(config.projection_dim));
  const size_t scratch = AttentionScratchFloats(config.tokens(), config.head_dim());
  const size_t total = 2 * Arena::Rounded(rows * dim * 4) + 2 * Arena::Rounded(rows * dim * element) +
                       Arena::Rounded(wide * element) + Arena::Rounded(images * dim * element) +
                       Arena::Rounded(panel * 4) + Arena::Rounded(scratch * 4);
  ThreadMemory memory;
  ASSIGN_OR_RETURN(memory.arena_, Arena::Create(total));
  memory.shared.x = memory.arena_.TakeArray<float>(rows * dim);
  memory.shared.normed = memory.arena_.Take(rows * dim * element);
  memory.shared.attended = memory.arena_.Take(rows * dim * element);
  memory.shared.wide = memory.arena_.Take(wide * element);
  memory.shared.pooled = memory.arena_.Take(images * dim * element);
  memory.own.panel = memory.arena_.TakeArray<float>(panel);
  memory.own.product = memory.arena_.TakeArray<float>(rows * dim);
  memory.own.attention = memory.arena_.TakeArray<float>(scratch);
  return memory;
}

size_t GroupPlan::ScratchBytes() const {
  size_t bytes = 0;
  for (const RankPlan& rank : ranks) {
    ForEachCall(const_cast<RankPlan&>(rank),
                [&](const MatmulCall& call) { bytes = std::max(bytes, call.scratch_bytes()); });
  }
  return bytes;
}

void GroupPlan::BindScratch(const dnnl::engine& engine, int rank, void* memory) {
  ForEachCall(ranks[static_cast<size_t>(rank)], [&](MatmulCall& call) { call.BindScratch(engine, memory); });
}

GroupPlan MakeGroupPlan(const PackedModel& model, int images, const std::vector<ThreadMemory*>& memories) {
  GroupPlan plan;
  plan.images = images;
  plan.shared = memories[0]->shared;
  const auto size = static_cast<int>(memories.size());
  for (int rank = 0; rank < size; ++rank) {
    plan.ranks.push_back(
        Builder(model, images, plan.shared, memories[static_cast<size_t>(rank)]->own, rank, size).Build());
  }
  // Patch product, attention output and fc2 are all D wide and cut alike.
  for (const RankPlan& rank : plan.ranks) {
    for (const MatmulCall& call : rank.blocks.front().out) plan.products.push_back(call.panel());
  }
  return plan;
}

}  // namespace photovec::encode::cpu
