// SPDX-License-Identifier: MIT
#include "encode/cpu/packed_model.h"

#include <algorithm>
#include <string>
#include <utility>

#include "model/fold/fold.h"

namespace photovec::encode::cpu {
namespace {
// Rows (images x tokens) that one thread computes together. From 200 rows on, oneDNN's kernels are within 2%
// of their best; 400 halve the memory traffic of the weights, which counts on machines with many cores.
constexpr int kGroupRows = 400;

/// The longest step of at most kAmxStep that divides K evenly and leaves pairs whole; 0: there is none.
int StepOf(int depth) {
  for (int steps = 1; steps <= depth; ++steps) {
    const int step = depth / steps;
    if (depth % steps == 0 && step <= kAmxStep && step % 2 == 0) return step;
  }
  return 0;
}

}  // namespace

PackedModel::PackedModel(const model::VisionConfig& config, model::Element element)
    : config_(config), element_(element), engine_(dnnl::engine::kind::cpu, 0) {
  group_images_ = std::max(1, kGroupRows / config.tokens());
  AddLayouts(Primitive::kMatmul);
  if (RowInvariantLayouts()) return;
  if (element == model::Element::kBF16) {
    AddLayouts(Primitive::kMatmul, true);
  } else {
    AddLayouts(Primitive::kPointwise);
  }
  if (RowInvariantLayouts()) return;
  AddLayouts(Primitive::kMatmul);
  group_images_ = 1;
  for (auto& [shape, layout] : layouts_) layout->ForbidCuts();
}

// Some of the M that products are run with: rows of all tokens, of all patches, of class tokens alone. The
// ends and the middle, since what a library decides by size it decides by thresholds; the tests try more.
bool PackedModel::RowInvariantLayouts() const {
  std::vector<int> rows;
  for (const int images : {1, 2, (group_images_ + 1) / 2, group_images_}) {
    for (const int each : {1, config_.patches(), config_.tokens()}) {
      rows.push_back(std::max(kLeastRows, std::min(images, group_images_) * each));
    }
  }
  std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  return std::all_of(layouts_.begin(), layouts_.end(),
                     [&](const auto& layout) { return RowInvariant(engine_, *layout.second, rows); });
}

void PackedModel::AddLayouts(Primitive primitive, bool in_steps) {
  layouts_.clear();
  const int d = config_.hidden_size;
  const int f = config_.mlp_size;
  const int rows = group_images_ * config_.tokens();
  std::vector<std::pair<int, int>> shapes = {
      {config_.patch_size * config_.patch_size * 3, d}, {d, 3 * d}, {d, 2 * d}, {d, d}, {d, f}, {f, d}};
  if (config_.projection_dim > 0) shapes.emplace_back(d, config_.projection_dim);
  for (const auto& shape : shapes) {
    auto& layout = layouts_[shape];
    if (layout == nullptr) {
      layout = std::make_unique<WeightLayout>(engine_, rows, shape.first, shape.second, element_, primitive,
                                              in_steps ? StepOf(shape.first) : 0);
    }
  }
}

size_t PackedModel::TotalBytes() const {
  const int d = config_.hidden_size;
  const int f = config_.mlp_size;
  const auto matrix = [&](int depth, int columns) { return Arena::Rounded(Layout(depth, columns).bytes()); };
  const auto floats = [](size_t count) { return Arena::Rounded(count * sizeof(float)); };
  const auto dim = static_cast<size_t>(d);
  size_t total = matrix(config_.patch_size * config_.patch_size * 3, d);
  total +=
      floats(static_cast<size_t>(config_.patches()) * dim) + 5 * floats(dim);  // class row, pre and post norm
  const size_t block =
      matrix(d, d) + matrix(d, f) + matrix(f, d) + 3 * floats(dim) + floats(static_cast<size_t>(f));
  total += static_cast<size_t>(config_.layers) * block;
  total += static_cast<size_t>(config_.layers - 1) * matrix(d, 3 * d) + matrix(d, 2 * d) + matrix(d, d);
  if (config_.projection_dim > 0) {
    total += matrix(d, config_.projection_dim) + floats(static_cast<size_t>(config_.projection_dim));
  }
  return total;
}

WeightMatrix PackedModel::PackMatrix(int depth, int columns, std::span<const float> weight) {
  const WeightLayout& layout = Layout(depth, columns);
  return {engine_, &layout, weight, arena_.Take(layout.bytes())};
}

const float* PackedModel::Keep(std::span<const float> values) {
  auto* kept = arena_.TakeArray<float>(values.size());
  std::copy(values.begin(), values.end(), kept);
  return kept;
}

Affine PackedModel::KeepNorm(const model::Norm& norm) {
  return {Keep(norm.gamma.ToFloats()), Keep(norm.beta.ToFloats())};
}

void PackedModel::Pack(const model::VisionModel& model, const PixelNormalization& normalization) {
  const int d = config_.hidden_size;
  const int f = config_.mlp_size;
  {
    const model::FoldedPatch folded = model::FoldPatch(model, normalization, element_);
    patch = PackMatrix(config_.patch_size * config_.patch_size * 3, d, folded.weight);
    position = Keep(folded.position);
    if (!folded.prefix_rows.empty()) class_row = Keep(folded.prefix_rows);
  }
  if (config_.has_pre_norm) pre_norm = KeepNorm(model.weights.pre_norm);
  blocks.reserve(model.weights.blocks.size());
  for (size_t i = 0; i < model.weights.blocks.size(); ++i) {
    const bool last = i + 1 == model.weights.blocks.size();
    const model::FoldedBlock folded = model::FoldBlock(config_, model.weights.blocks[i], {.split_query = last});
    PackedBlock block;
    block.qkv = PackMatrix(d, last ? 2 * d : 3 * d, folded.qkv_weight);
    if (last) block.q = PackMatrix(d, d, folded.q_weight);
    block.q_bias = Keep(folded.q_bias);
    block.out = PackMatrix(d, d, folded.out.weight);
    block.out_bias = Keep(folded.out.bias);
    block.fc1 = PackMatrix(d, f, folded.fc1.weight);
    block.fc1_bias = Keep(folded.fc1.bias);
    block.fc2 = PackMatrix(f, d, folded.fc2.weight);
    block.fc2_bias = Keep(folded.fc2.bias);
    blocks.push_back(block);
  }
  if (config_.projection_dim > 0) {
    const model::FoldedLinear folded = model::FoldProjection(model);
    projection = PackMatrix(d, config_.projection_dim, folded.weight);
    projection_bias = Keep(folded.bias);
  } else if (config_.has_post_norm) {
    post_norm = KeepNorm(model.weights.post_norm);
  }
}

Result<std::unique_ptr<PackedModel>> PackedModel::Create(const model::VisionModel& model,
                                                         const PixelNormalization& normalization,
                                                         model::Element element) {
  try {
    std::unique_ptr<PackedModel> packed(new PackedModel(model.config, element));
    ASSIGN_OR_RETURN(packed->arena_, Arena::Create(packed->TotalBytes()));
    packed->Pack(model, normalization);
    return packed;
  } catch (const dnnl::error& error) {
    return Status(Code::kInternal, std::string("oneDNN could not pack the weights: ") + error.what());
  } catch (const std::bad_alloc&) {
    return Status(Code::kUnavailable, "not enough memory to pack the weights");
  }
}

}  // namespace photovec::encode::cpu
