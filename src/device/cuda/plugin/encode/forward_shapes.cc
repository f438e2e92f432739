// SPDX-License-Identifier: MIT
#include <algorithm>
#include <utility>

#include "device/cuda/plugin/encode/forward.h"

namespace photovec::device {
namespace {

size_t Size(int a, int b) { return static_cast<size_t>(a) * static_cast<size_t>(b); }

struct ActivationSizes {
  size_t rows, x, normed, qkv, wide, pooled, out, fp8, scales;
  ActivationSizes(const DeviceWeights& weights, int max_batch) {
    const auto& config = weights.config();
    rows = Size(max_batch, config.tokens());
    if (weights.fp8()) rows = Fp8Rounded(rows);
    const auto d = static_cast<size_t>(config.hidden_size);
    const auto f = static_cast<size_t>(config.mlp_size);
    const size_t element = model::ElementBytes(weights.element());
    x = rows * d * sizeof(float);
    normed = rows * d * element;
    qkv = 3 * normed;
    wide = element *
           std::max(rows * f, Size(max_batch, config.patches()) * static_cast<size_t>(weights.patch_depth()));
    pooled = static_cast<size_t>(max_batch) * d * element;
    out = Size(max_batch, config.embedding_dim()) * sizeof(float);
    fp8 = weights.fp8() ? rows * std::max(d, f) : 0;
    scales = weights.fp8() ? rows * sizeof(float) : 0;
  }
};

}  // namespace

size_t Activations::Bytes(const DeviceWeights& weights, int max_batch) {
  const ActivationSizes sizes(weights, max_batch);
  size_t total = 0;
  for (const size_t bytes : {sizes.x, sizes.normed, sizes.qkv, sizes.wide, sizes.pooled, sizes.pooled,
                             sizes.out, sizes.fp8, sizes.scales, sizeof(unsigned)}) {
    total += DeviceArena::Rounded(bytes);
  }
  return total;
}

Activations Activations::In(DeviceArena& arena, const DeviceWeights& weights, int max_batch) {
  const ActivationSizes sizes(weights, max_batch);
  Activations buffers;
  buffers.x = arena.Take<float>(sizes.x / sizeof(float));
  buffers.normed = arena.Take<uint8_t>(sizes.normed);
  buffers.qkv = arena.Take<uint8_t>(sizes.qkv);
  buffers.wide = arena.Take<uint8_t>(sizes.wide);
  buffers.pooled = arena.Take<uint8_t>(sizes.pooled);
  buffers.query = arena.Take<uint8_t>(sizes.pooled);
  buffers.out = arena.Take<float>(sizes.out / sizeof(float));
  if (weights.fp8()) {
    buffers.fp8.values = arena.Take<uint8_t>(sizes.fp8);
    buffers.fp8.scales = arena.Take<float>(sizes.scales / sizeof(float));
  }
  buffers.counter = arena.Take<unsigned>(1);
  return buffers;
}

BucketGemms::BucketGemms(std::vector<Gemm> planned) : gemms(std::move(planned)) {}

std::vector<GemmShape> BucketGemms::Shapes(const DeviceWeights& weights, int images) {
  const auto& config = weights.config();
  const model::Element element = weights.element();
  const int d = config.hidden_size;
  const int f = config.mlp_size;
  const int rows = images * config.tokens();
  const bool fp8 = weights.fp8();
  const int large = fp8 ? Fp8Rounded(rows) : rows;
  std::vector<GemmShape> shapes = {
      {images * config.patches(), d, weights.patch_depth(), element, false, false},
      {large, 3 * d, d, element, false, true, fp8},
      {large, d, d, element, false, false, fp8},
      {large, f, d, element, false, false, fp8},
      {large, d, f, element, false, false, fp8},
      {large, 2 * d, d, element, false, false, fp8},
      {images, d, d, element, false, true},
      {images, d, d, element, false, false},
      {images, f, d, element, false, false},
      {images, d, f, element, false, false},
  };
  if (config.projection_dim > 0) shapes.push_back({images, config.projection_dim, d, element, true, true});
  return shapes;
}

}  // namespace photovec::device
