// SPDX-License-Identifier: MIT
#include <algorithm>
#include <utility>

#include "device/cuda/plugin/encode/forward.h"

namespace photovec::device {
namespace {

size_t Size(int a, int b) { return static_cast<size_t>(a) * static_cast<size_t>(b); }

struct ActivationSizes {
  size_t x, normed, qkv, wide, gated, pooled, tail, out, fp8, scales;
  ActivationSizes(const TowerWeights& weights, const BatchShape& most) {
    const auto& config = weights.transformer();
    auto rows = static_cast<size_t>(most.rows);
    if (weights.fp8()) rows = Fp8Rounded(rows);
    const auto d = static_cast<size_t>(config.hidden_size);
    const auto f = static_cast<size_t>(config.mlp_size);
    const auto batch = static_cast<size_t>(most.tail);
    const size_t element = model::ElementBytes(weights.element());
    x = rows * d * sizeof(float);
    normed = rows * d * element;
    qkv = 3 * normed;
    wide = element * std::max(rows * static_cast<size_t>(weights.mlp_columns()),
                              Size(most.patches, weights.patch_depth()));
    gated = config.gated_mlp ? element * rows * f : 0;
    pooled = batch * d * element;
    tail = most.patches == 0 || weights.pool ? batch * d * sizeof(float) : 0;
    out = batch * static_cast<size_t>(weights.embedding_dim()) * sizeof(float);
    fp8 = weights.fp8() ? rows * std::max(d, f) : 0;
    scales = weights.fp8() ? rows * sizeof(float) : 0;
  }
};

}  // namespace

size_t Activations::Bytes(const TowerWeights& weights, const BatchShape& most) {
  const ActivationSizes sizes(weights, most);
  size_t total = 0;
  for (const size_t bytes :
       {sizes.x, sizes.normed, sizes.qkv, sizes.wide, sizes.gated, sizes.pooled, sizes.pooled, sizes.tail,
        sizes.out, sizes.fp8, sizes.scales, sizeof(unsigned)}) {
    total += DeviceArena::Rounded(bytes);
  }
  return total;
}

Activations Activations::In(DeviceArena& arena, const TowerWeights& weights, const BatchShape& most) {
  const ActivationSizes sizes(weights, most);
  Activations buffers;
  buffers.x = arena.Take<float>(sizes.x / sizeof(float));
  buffers.normed = arena.Take<uint8_t>(sizes.normed);
  buffers.qkv = arena.Take<uint8_t>(sizes.qkv);
  buffers.wide = arena.Take<uint8_t>(sizes.wide);
  if (sizes.gated > 0) buffers.gated = arena.Take<uint8_t>(sizes.gated);
  buffers.pooled = arena.Take<uint8_t>(sizes.pooled);
  buffers.query = arena.Take<uint8_t>(sizes.pooled);
  if (sizes.tail > 0) buffers.tail = arena.Take<float>(sizes.tail / sizeof(float));
  buffers.out = arena.Take<float>(sizes.out / sizeof(float));
  if (weights.fp8()) {
    buffers.fp8.values = arena.Take<uint8_t>(sizes.fp8);
    buffers.fp8.scales = arena.Take<float>(sizes.scales / sizeof(float));
  }
  buffers.counter = arena.Take<unsigned>(1);
  return buffers;
}

std::vector<std::optional<GemmShape>> BucketGemms::Shapes(const TowerWeights& weights,
                                                          const BatchShape& batch) {
  const auto& config = weights.transformer();
  const model::Element element = weights.element();
  const int d = config.hidden_size;
  const int f = config.mlp_size;
  const int tail = batch.tail;
  const bool fp8 = weights.fp8();
  const int large = fp8 ? Fp8Rounded(batch.rows) : batch.rows;
  std::vector<std::optional<GemmShape>> shapes(kProjection + 1);
  if (batch.patches > 0) {
    shapes[kPatch] = {batch.patches, d, weights.patch_depth(), element, false, false};
  }
  if (weights.blocks.size() > 1) {
    shapes[kQkv] = {large, 3 * d, d, element, false, true, fp8};
    shapes[kOut] = {large, d, d, element, false, false, fp8};
    shapes[kFc1] = {large, weights.mlp_columns(), d, element, false, false, fp8};
    shapes[kFc2] = {large, d, f, element, false, false, fp8};
  }
  shapes[kKeysValues] = {large, 2 * d, d, element, false, weights.tail_keys_have_bias(), fp8};
  if (weights.blocks.back().q.data != nullptr) {
    shapes[kPooledQuery] = {tail, d, d, element, false, true};
  }
  shapes[kPooledOut] = {tail, d, d, element, false, false};
  shapes[kPooledFc1] = {tail, weights.tail_mlp_columns(), d, element, false, false};
  shapes[kPooledFc2] = {tail, d, f, element, false, false};
  if (weights.projection.data != nullptr) {
    shapes[kProjection] = {tail, weights.embedding_dim(), d, element, true, true};
  }
  return shapes;
}

size_t TextInputs::Bytes(const BatchShape& batch) {
  return (Size(batch.rows, 4) + Size(batch.tail, 3)) * sizeof(int);
}

TextInputs TextInputs::In(void* memory, const BatchShape& batch) {
  TextInputs inputs;
  inputs.ranges = static_cast<int2*>(memory);
  inputs.tail_ranges = inputs.ranges + batch.rows;
  inputs.ids = reinterpret_cast<int*>(inputs.tail_ranges + batch.tail);
  inputs.places = inputs.ids + batch.rows;
  inputs.last = inputs.places + batch.rows;
  return inputs;
}

}  // namespace photovec::device
