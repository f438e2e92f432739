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

int HeadUnit(const PackedTower& tower, const PackedBlock& block, bool last) {
  const auto& config = tower.config();
  const int hd = config.head_dim();
  const int unit = HeadUnit(block.qkv.layout(), last ? 2 * hd : 3 * hd, config.heads);
  if (!last || tower.tail == TailRow::kConstant) return unit;
  return std::min(config.heads, std::lcm(unit, HeadUnit(block.q.layout(), hd, config.heads)));
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

size_t WidestPanel(const PackedTower& tower, size_t rows) {
  const auto& config = tower.config();
  size_t floats = 0;
  for (size_t i = 0; i < tower.blocks.size(); ++i) {
    const PackedBlock& block = tower.blocks[i];
    const bool last = i + 1 == tower.blocks.size();
    const int heads = HeadUnit(tower, block, last);
    const size_t columns =
        std::max(static_cast<size_t>(heads) * static_cast<size_t>(config.head_dim()) * 3,
                 static_cast<size_t>(block.fc1.layout().column_unit()) * (config.gated_mlp ? 2 : 1));
    floats = std::max(floats, rows * columns);
  }
  // Parts are even only up to one unit, hence twice.
  return 2 * std::max(floats, kPanelFloats);
}

class Builder {
 public:
  Builder(const PackedTower& tower, const SharedBuffers& shared, const PrivateBuffers& own, int rank,
          int size)
      : tower_(tower), shared_(shared), own_(own), rank_(rank), size_(size) {}

  BodyPlan::Rank Body(int rows) {
    BodyPlan::Rank plan;
    plan.own = own_;
    if (tower_.patches) {
      const model::VisionConfig& config = tower_.patches->config;
      const int images = rows / config.tokens();
      plan.patch = DimWide(tower_.patches->patch, images * config.patches(), shared_.wide);
    }
    for (size_t i = 0; i < tower_.blocks.size(); ++i) {
      plan.blocks.push_back(Block(tower_.blocks[i], i + 1 == tower_.blocks.size(), rows));
    }
    return plan;
  }

  TailCalls Tail(int rows) {
    const PackedBlock& block = tower_.blocks.back();
    TailCalls calls;
    const Range heads = Heads(block, true);
    const int hd = tower_.config().head_dim();
    if (tower_.tail != TailRow::kConstant && heads.count() > 0) {
      calls.query.emplace_back(tower_.engine(), block.q, Columns{heads.first * hd, heads.count() * hd}, rows,
                               shared_.tail, own_.product);
    }
    calls.out = DimWide(block.out, rows, shared_.attended);
    calls.fc1 = Wide(block, rows, shared_.tail);
    calls.fc2 = DimWide(block.fc2, rows, shared_.wide);
    if (tower_.projection_bias != nullptr) {
      calls.projection =
          Mine(tower_.projection, tower_.projection.layout().column_unit(), rows, shared_.tail, own_.panel);
    }
    return calls;
  }

 private:
  std::vector<MatmulCall> Mine(const WeightMatrix& weight, int unit, int rows, const void* in, float* out) {
    const Range mine = Share(weight.layout().columns(), unit, rank_, size_);
    std::vector<MatmulCall> calls;
    if (mine.count() > 0)
      calls.emplace_back(tower_.engine(), weight, Columns{mine.first, mine.count()}, rows, in, out);
    return calls;
  }

  // All products that are D wide are cut alike, because they share the ranks' `product` buffers.
  std::vector<MatmulCall> DimWide(const WeightMatrix& weight, int rows, const void* in) {
    const PackedBlock& block = tower_.blocks.front();
    const int unit = block.out.layout().column_unit();
    const bool alike = block.fc2.layout().column_unit() == unit &&
                       (!tower_.patches || tower_.patches->patch.layout().column_unit() == unit);
    return Mine(weight, alike ? unit : tower_.config().hidden_size, rows, in, own_.product);
  }

  Range Heads(const PackedBlock& block, bool last) const {
    return Share(tower_.config().heads, HeadUnit(tower_, block, last), rank_, size_);
  }

  std::vector<WideCall> Wide(const PackedBlock& block, int rows, const void* in) {
    const int unit = block.fc1.layout().column_unit();
    const Range mine = Share(tower_.config().mlp_size, unit, rank_, size_);
    // Only whole blocks have a gate that is a gate.
    const bool gated = block.up_bias != nullptr;
    std::vector<WideCall> calls;
    for (const Range& cut : CutForCache(mine, unit, gated ? 2 : 1, rows)) {
      const Columns columns{cut.first, cut.count()};
      WideCall& call = calls.emplace_back(
          WideCall{MatmulCall(tower_.engine(), block.fc1, columns, rows, in, own_.panel), {}});
      if (!gated) continue;
      float* behind =
          own_.panel + static_cast<size_t>(std::max(rows, kLeastRows)) * static_cast<size_t>(cut.count());
      call.up.emplace_back(tower_.engine(), block.up, columns, rows, in, behind);
    }
    return calls;
  }

  BlockCalls Block(const PackedBlock& block, bool last, int rows) {
    const int per_head = (last ? 2 : 3) * tower_.config().head_dim();
    BlockCalls calls;
    for (const Range& cut : CutForCache(Heads(block, last), HeadUnit(tower_, block, last), per_head, rows)) {
      const Columns columns{cut.first * per_head, cut.count() * per_head};
      calls.qkv.push_back(
          {cut.first, cut.count(),
           MatmulCall(tower_.engine(), block.qkv, columns, rows, shared_.normed, own_.panel)});
    }
    if (last) return calls;
    calls.out = DimWide(block.out, rows, shared_.attended);
    calls.fc1 = Wide(block, rows, shared_.normed);
    calls.fc2 = DimWide(block.fc2, rows, shared_.wide);
    return calls;
  }

  const PackedTower& tower_;
  const SharedBuffers& shared_;
  const PrivateBuffers& own_;
  const int rank_;
  const int size_;
};

template <typename AnyPlans, typename Visit>
void ForEachCall(AnyPlans& plans, int rank, Visit visit) {
  const auto all = [&](auto& calls) {
    for (auto& call : calls) visit(call);
  };
  const auto wide = [&](auto& calls) {
    for (auto& call : calls) {
      visit(call.product);
      all(call.up);
    }
  };
  for (auto& plan : plans.bodies) {
    auto& calls = plan.ranks[static_cast<size_t>(rank)];
    all(calls.patch);
    for (auto& block : calls.blocks) {
      for (auto& call : block.qkv) visit(call.product);
      all(block.out);
      wide(block.fc1);
      all(block.fc2);
    }
  }
  for (auto& plan : plans.tails) {
    auto& calls = plan.ranks[static_cast<size_t>(rank)];
    all(calls.query);
    all(calls.out);
    wide(calls.fc1);
    all(calls.fc2);
    all(calls.projection);
  }
}

/// Of the buffers, in floats and in elements of the products.
struct Sizes {
  size_t rows = 0;
  size_t wide = 0;
  size_t tail = 0;
  size_t panel = 0;
  size_t scratch = 0;

  explicit Sizes(const PackedTower& tower) {
    const auto& config = tower.config();
    // Products of fewer rows than kLeastRows read and write that many.
    const auto most = static_cast<size_t>(std::max(tower.body_rows.back(), kLeastRows));
    const auto tails = static_cast<size_t>(std::max(tower.tail_rows.back(), kLeastRows));
    const auto dim = static_cast<size_t>(config.hidden_size);
    // The tail has its place in the rows' buffers, too.
    rows = std::max(most, tails) * dim;
    wide = std::max(most, tails) * static_cast<size_t>(config.mlp_size);
    if (tower.patches) {
      const auto side = static_cast<size_t>(tower.patches->config.patch_size);
      wide = std::max(wide, most * side * side * 3);
    }
    tail = tails * dim;
    panel =
        std::max(WidestPanel(tower, std::max(most, tails)), tails * static_cast<size_t>(tower.embedding_dim));
    scratch = AttentionScratchFloats(LongestSequence(tower), config.head_dim());
  }

  void Cover(const Sizes& other) {
    for (size_t Sizes::*size : {&Sizes::rows, &Sizes::wide, &Sizes::tail, &Sizes::panel, &Sizes::scratch}) {
      this->*size = std::max(this->*size, other.*size);
    }
  }

 private:
  static int LongestSequence(const PackedTower& tower) {
    return tower.patches ? tower.patches->config.tokens() : tower.tokens->config.max_tokens;
  }
};

}  // namespace

Result<ThreadMemory> ThreadMemory::Create(const std::vector<const PackedTower*>& towers) {
  Sizes sizes(*towers.front());
  for (const PackedTower* tower : towers) sizes.Cover(Sizes(*tower));
  const size_t element = model::ElementBytes(towers.front()->element());
  const size_t total = 2 * Arena::Rounded(sizes.rows * 4) + 2 * Arena::Rounded(sizes.rows * element) +
                       Arena::Rounded(sizes.wide * element) + Arena::Rounded(sizes.tail * 4) +
                       Arena::Rounded(sizes.tail * element) + Arena::Rounded(sizes.panel * 4) +
                       Arena::Rounded(sizes.scratch * 4);
  ThreadMemory memory;
  ASSIGN_OR_RETURN(memory.arena_, Arena::Create(total));
  memory.shared.x = memory.arena_.TakeArray<float>(sizes.rows);
  memory.shared.normed = memory.arena_.Take(sizes.rows * element);
  memory.shared.attended = memory.arena_.Take(sizes.rows * element);
  memory.shared.wide = memory.arena_.Take(sizes.wide * element);
  memory.shared.tail_x = memory.arena_.TakeArray<float>(sizes.tail);
  memory.shared.tail = memory.arena_.Take(sizes.tail * element);
  memory.own.panel = memory.arena_.TakeArray<float>(sizes.panel);
  memory.own.product = memory.arena_.TakeArray<float>(sizes.rows);
  memory.own.attention = memory.arena_.TakeArray<float>(sizes.scratch);
  return memory;
}

const BodyPlan& Plans::body(int rows) const {
  return *std::ranges::find_if(bodies, [&](const BodyPlan& plan) { return plan.rows >= rows; });
}

const TailPlan& Plans::tail(int sequences) const {
  return *std::ranges::find_if(tails, [&](const TailPlan& plan) { return plan.rows >= sequences; });
}

size_t Plans::ScratchBytes(int rank) const {
  size_t bytes = 0;
  ForEachCall(*this, rank, [&](const MatmulCall& call) { bytes = std::max(bytes, call.scratch_bytes()); });
  return bytes;
}

void Plans::BindScratch(const dnnl::engine& engine, int rank, void* memory) {
  ForEachCall(*this, rank, [&](MatmulCall& call) { call.BindScratch(engine, memory); });
}

Plans MakePlans(const PackedTower& tower, int most, const std::vector<ThreadMemory*>& memories) {
  Plans plans;
  const auto size = static_cast<int>(memories.size());
  const SharedBuffers& shared = memories[0]->shared;
  const auto builder = [&](int rank) {
    return Builder(tower, shared, memories[static_cast<size_t>(rank)]->own, rank, size);
  };
  for (const int rows : tower.body_rows) {
    // Images come whole; texts of any length.
    if (tower.patches && rows > most * tower.patches->config.tokens()) break;
    BodyPlan& plan = plans.bodies.emplace_back();
    plan.rows = rows;
    plan.shared = shared;
    for (int rank = 0; rank < size; ++rank) plan.ranks.push_back(builder(rank).Body(rows));
  }
  for (const int rows : tower.tail_rows) {
    TailPlan& plan = plans.tails.emplace_back();
    plan.rows = rows;
    for (int rank = 0; rank < size; ++rank) plan.ranks.push_back(builder(rank).Tail(rows));
    if (rows >= most) break;
  }
  // Patch product, attention output and fc2 are all D wide and cut alike.
  for (BodyPlan& plan : plans.bodies) {
    for (const TailCalls& rank : plans.tails.front().ranks) {
      for (const MatmulCall& call : rank.out) plan.products.push_back(call.panel());
    }
  }
  return plans;
}

}  // namespace photovec::encode::cpu
