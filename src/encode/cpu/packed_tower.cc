// SPDX-License-Identifier: MIT
#include "encode/cpu/packed_tower.h"

#include <algorithm>
#include <string>
#include <utility>

namespace photovec::encode::cpu {
namespace {
// Rows that one thread computes together. From 200 rows on, oneDNN's kernels are within 2% of their best; 400
// halve the memory traffic of the weights, which counts on machines with many cores.
constexpr int kGroupRows = 400;
// Texts of one group. Forty of ten tokens fill it.
constexpr int kGroupTexts = 64;

/// The longest step of at most kAmxStep that divides K evenly and leaves pairs whole; 0: there is none.
int StepOf(int depth) {
  for (int steps = 1; steps <= depth; ++steps) {
    const int step = depth / steps;
    if (depth % steps == 0 && step <= kAmxStep && step % 2 == 0) return step;
  }
  return 0;
}

std::vector<int> Multiples(int each, int count) {
  std::vector<int> rows;
  for (int i = 1; i <= count; ++i) rows.push_back(i * each);
  return rows;
}

// Numbers of rows for texts of any length: at most a third of a product is for nothing, and where rows are so
// few that this were much, the time goes into reading the weights anyway.
std::vector<int> Buckets(int most) {
  std::vector<int> rows;
  for (int count = kLeastRows; count < most; count += std::max(kLeastRows, count / 32 * 16)) {
    rows.push_back(count);
  }
  rows.push_back(most);
  return rows;
}

template <typename Make>
Result<std::unique_ptr<PackedTower>> Guarded(Make make) {
  try {
    return make();
  } catch (const dnnl::error& error) {
    return Status(Code::kInternal, std::string("oneDNN could not pack the weights: ") + error.what());
  } catch (const std::bad_alloc&) {
    return Status(Code::kUnavailable, "not enough memory to pack the weights");
  }
}

}  // namespace

PackedTower::PackedTower(const dnnl::engine& engine, const model::TransformerConfig& config,
                         model::Element element)
    : config_(config), element_(element), engine_(engine) {}

void PackedTower::ChooseLayouts(int projection_dim) {
  AddLayouts(projection_dim, Primitive::kMatmul);
  if (RowInvariantLayouts()) return;
  if (element_ == model::Element::kBF16) {
    AddLayouts(projection_dim, Primitive::kMatmul, true);
  } else {
    AddLayouts(projection_dim, Primitive::kPointwise);
  }
  if (RowInvariantLayouts()) return;
  AddLayouts(projection_dim, Primitive::kMatmul);
  group_sequences = 1;
  tail_rows = {1};
  if (patches) body_rows.resize(1);
  for (auto& [shape, layout] : layouts_) layout->ForbidCuts();
}

// Some of the M that products are run with: rows of all tokens, of all patches, of tails alone. The ends and
// the middle, since what a library decides by size it decides by thresholds; the tests try more.
bool PackedTower::RowInvariantLayouts() const {
  std::vector<int> rows;
  const auto some = [&](const std::vector<int>& all) {
    for (const size_t i : {size_t{0}, size_t{1}, (all.size() - 1) / 2, all.size() - 1}) {
      rows.push_back(std::max(kLeastRows, all[std::min(i, all.size() - 1)]));
    }
  };
  some(body_rows);
  some(tail_rows);
  if (patches) some(Multiples(patches->config.patches(), group_sequences));
  std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  return std::all_of(layouts_.begin(), layouts_.end(),
                     [&](const auto& layout) { return RowInvariant(engine_, *layout.second, rows); });
}

void PackedTower::AddLayouts(int projection_dim, Primitive primitive, bool in_steps) {
  layouts_.clear();
  const int d = config_.hidden_size;
  const int f = config_.mlp_size;
  std::vector<std::pair<int, int>> shapes = {{d, 3 * d}, {d, 2 * d}, {d, d}, {d, f}, {f, d}};
  if (patches) shapes.emplace_back(patches->config.patch_size * patches->config.patch_size * 3, d);
  if (projection_dim > 0) shapes.emplace_back(d, projection_dim);
  for (const auto& shape : shapes) {
    auto& layout = layouts_[shape];
    if (layout == nullptr) {
      layout = std::make_unique<WeightLayout>(engine_, body_rows.back(), shape.first, shape.second, element_,
                                              primitive, in_steps ? StepOf(shape.first) : 0);
    }
  }
}

// At least what packing takes: every layer as if it had all that a layer can have.
size_t PackedTower::TotalBytes() const {
  const int d = config_.hidden_size;
  const int f = config_.mlp_size;
  const auto matrix = [&](int depth, int columns) { return Arena::Rounded(Layout(depth, columns).bytes()); };
  const auto floats = [](int rows, int columns) {
    return Arena::Rounded(static_cast<size_t>(rows) * static_cast<size_t>(columns) * sizeof(float));
  };
  const auto layers = static_cast<size_t>(config_.layers);
  size_t total = layers * (matrix(d, 3 * d) + matrix(d, d) + (config_.gated_mlp ? 2 : 1) * matrix(d, f) +
                           matrix(f, d) + 4 * floats(1, d) + 2 * floats(1, f));
  total += matrix(d, d);  // the last query
  if (tail == TailRow::kConstant) {
    total += matrix(d, 2 * d) + matrix(d, d) + matrix(d, f) + matrix(f, d) + 3 * floats(1, d) + floats(1, f);
  }
  total += matrix(d, embedding_dim) + floats(1, embedding_dim);  // projection
  total += 2 * floats(1, d);                                     // last norm
  if (patches) {
    const model::VisionConfig& config = patches->config;
    total += matrix(config.patch_size * config.patch_size * 3, d) + floats(config.patches(), d) +
             floats(config.prefix_tokens(), d) + 2 * floats(1, d) +
             2 * floats(config.patches(), config.head_dim());
  }
  if (tokens) total += floats(tokens->config.max_tokens, d);
  return total;
}

WeightMatrix PackedTower::PackMatrix(int depth, int columns, std::span<const float> weight) {
  const WeightLayout& layout = Layout(depth, columns);
  return {engine_, &layout, weight, arena_.Take(layout.bytes())};
}

const float* PackedTower::Keep(std::span<const float> values) {
  if (values.empty()) return nullptr;
  auto* kept = arena_.TakeArray<float>(values.size());
  std::copy(values.begin(), values.end(), kept);
  return kept;
}

Affine PackedTower::KeepNorm(const model::Norm& norm) {
  return {Keep(norm.gamma.ToFloats()), Keep(norm.beta.ToFloats())};
}

void PackedTower::PackBlock(const model::FoldedBlock& folded, bool last) {
  const int d = config_.hidden_size;
  const int f = config_.mlp_size;
  PackedBlock block;
  block.qkv = PackMatrix(d, last ? 2 * d : 3 * d, folded.qkv_weight);
  if (!folded.q_weight.empty()) block.q = PackMatrix(d, d, folded.q_weight);
  block.q_bias = Keep(folded.q_bias);
  block.k_bias = Keep(folded.k_bias);
  block.out = PackMatrix(d, d, folded.out.weight);
  block.out_bias = Keep(folded.out.bias);
  block.fc1 = PackMatrix(d, f, folded.fc1.weight);
  block.fc1_bias = Keep(folded.fc1.bias);
  if (!folded.up.weight.empty()) block.up = PackMatrix(d, f, folded.up.weight);
  block.up_bias = Keep(folded.up.bias);
  block.fc2 = PackMatrix(f, d, folded.fc2.weight);
  block.fc2_bias = Keep(folded.fc2.bias);
  blocks.push_back(block);
}

void PackedTower::PackProjection(const model::FoldedLinear& folded) {
  projection = PackMatrix(config_.hidden_size, embedding_dim, folded.weight);
  projection_bias = Keep(folded.bias);
}

void PackedTower::PackImages(const model::VisionModel& model, const PixelNormalization& normalization) {
  const model::VisionConfig& config = model.config;
  {
    const model::FoldedPatch folded = model::FoldPatch(model, normalization, element_);
    patches->patch = PackMatrix(config.patch_size * config.patch_size * 3, config.hidden_size, folded.weight);
    patches->position = Keep(folded.position);
    patches->prefix_rows = Keep(folded.prefix_rows);
  }
  if (config.has_pre_norm) patches->pre_norm = KeepNorm(model.weights.pre_norm);
  const model::RotaryTable rotary = model::MakeRotaryTable(config);
  rotary_cos = Keep(rotary.cos);
  rotary_sin = Keep(rotary.sin);
  const bool pool = tail == TailRow::kConstant;
  for (size_t i = 0; i < model.weights.blocks.size(); ++i) {
    const bool last = !pool && i + 1 == model.weights.blocks.size();
    PackBlock(
        model::FoldBlock(config, model.weights.blocks[i],
                         {.split_query = last, .rotary = config.positions == model::Positions::kRotary}),
        last);
  }
  if (pool) {
    PackBlock(model::FoldPool(model), true);
    last_norm = config.has_post_norm;
  }
  final_norm = config.has_post_norm && !pool;
  if (config.projection_dim > 0) {
    PackProjection(model::FoldProjection(model));
  } else if (final_norm) {
    post_norm = KeepNorm(model.weights.post_norm);
  }
}

void PackedTower::PackTexts(const model::TextModel& model) {
  tokens->rows = model.weights.token_embedding;
  tokens->rows_storage = model.token_storage;
  tokens->position = Keep(model.weights.position.ToFloats());
  for (size_t i = 0; i < model.weights.blocks.size(); ++i) {
    const bool last = i + 1 == model.weights.blocks.size();
    PackBlock(model::FoldBlock(config_, model.weights.blocks[i], {.split_query = last}), last);
  }
  if (model.config.projection_dim > 0) {
    PackProjection(model::FoldProjection(model));
  } else {
    post_norm = KeepNorm(model.weights.final_norm);
  }
}

Result<std::unique_ptr<PackedTower>> PackedTower::OfImages(const dnnl::engine& engine,
                                                           const model::VisionModel& model,
                                                           const PixelNormalization& normalization,
                                                           model::Element element) {
  return Guarded([&]() -> Result<std::unique_ptr<PackedTower>> {
    std::unique_ptr<PackedTower> tower(new PackedTower(engine, model.config, element));
    tower->patches.emplace();
    tower->patches->config = model.config;
    tower->embedding_dim = model.config.embedding_dim();
    if (model.config.pooling == model::Pooling::kAttention) tower->tail = TailRow::kConstant;
    tower->group_sequences = std::max(1, kGroupRows / model.config.tokens());
    tower->body_rows = Multiples(model.config.tokens(), tower->group_sequences);
    tower->tail_rows = Multiples(1, tower->group_sequences);
    tower->ChooseLayouts(model.config.projection_dim);
    ASSIGN_OR_RETURN(tower->arena_, Arena::Create(tower->TotalBytes()));
    tower->PackImages(model, normalization);
    return tower;
  });
}

Result<std::unique_ptr<PackedTower>> PackedTower::OfTexts(const dnnl::engine& engine,
                                                          const model::TextModel& model,
                                                          model::Element element) {
  return Guarded([&]() -> Result<std::unique_ptr<PackedTower>> {
    const model::TextConfig& config = model.config;
    std::unique_ptr<PackedTower> tower(new PackedTower(engine, config, element));
    tower->tokens.emplace();
    tower->tokens->config = config;
    tower->embedding_dim = config.embedding_dim();
    tower->tail = TailRow::kLast;
    tower->causal = config.causal;
    const int whole = std::max(1, kGroupRows / config.max_tokens);  // texts of full length
    tower->group_sequences = config.causal ? kGroupTexts : whole;
    tower->body_rows = config.causal ? Buckets(std::max(config.max_tokens, kGroupRows))
                                     : Multiples(config.max_tokens, whole);
    tower->tail_rows = Buckets(tower->group_sequences);
    tower->ChooseLayouts(config.projection_dim);
    ASSIGN_OR_RETURN(tower->arena_, Arena::Create(tower->TotalBytes()));
    tower->PackTexts(model);
    return tower;
  });
}

}  // namespace photovec::encode::cpu
