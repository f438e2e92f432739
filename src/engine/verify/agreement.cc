// SPDX-License-Identifier: MIT
#include "engine/verify/agreement.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/quantile.h"

namespace photovec::engine {
namespace {

/// Unit vectors in double.
std::vector<double> Unit(std::span<const float> rows, size_t dim) {
  std::vector<double> unit(rows.begin(), rows.end());
  for (size_t i = 0; i < unit.size(); i += dim) {
    const double length = std::sqrt(std::inner_product(&unit[i], &unit[i] + dim, &unit[i], 0.0));
    for (size_t j = i; j < i + dim; ++j) unit[j] /= length;
  }
  return unit;
}

double Dot(const std::vector<double>& a, size_t i, const std::vector<double>& b, size_t j, size_t dim) {
  return std::inner_product(&a[i * dim], &a[i * dim] + dim, &b[j * dim], 0.0);
}

constexpr size_t kNearest = 10;

/// The ten others that are nearest to `query`, sorted by number.
std::vector<size_t> Nearest(const std::vector<double>& rows, size_t query, size_t dim) {
  std::vector<std::pair<double, size_t>> found;
  for (size_t other = 0; other < rows.size() / dim; ++other) {
    if (other != query) found.emplace_back(-Dot(rows, query, rows, other, dim), other);
  }
  std::partial_sort(found.begin(), found.begin() + kNearest, found.end());
  std::vector<size_t> nearest(kNearest);
  for (size_t i = 0; i < kNearest; ++i) nearest[i] = found[i].second;
  std::sort(nearest.begin(), nearest.end());
  return nearest;
}

double Overlap(const std::vector<double>& a, const std::vector<double>& b, size_t dim) {
  const size_t count = a.size() / dim;
  size_t shared = 0;
  for (size_t query = 0; query < count; ++query) {
    const std::vector<size_t> first = Nearest(a, query, dim);
    const std::vector<size_t> second = Nearest(b, query, dim);
    std::vector<size_t> both;
    std::set_intersection(first.begin(), first.end(), second.begin(), second.end(), std::back_inserter(both));
    shared += both.size();
  }
  return static_cast<double>(shared) / static_cast<double>(count * kNearest);
}

/// Adds one tensor to the scan.
void Look(const TensorView& tensor, WeightScan& scan) {
  if (!tensor.present() || tensor.elements() == 0) return;
  ++scan.tensors;
  scan.values += tensor.elements();
  int64_t broken = 0;
  double largest = 0;
  double squares = 0;
  const auto add = [&](std::span<const float> values) {
    for (const float value : values) {
      if (!std::isfinite(value)) {
        ++broken;
        continue;
      }
      largest = std::max(largest, std::abs(static_cast<double>(value)));
      squares += static_cast<double>(value) * value;
    }
  };
  const bool matrix = tensor.shape.size() >= 2;
  if (tensor.shape.size() == 2) {
    std::vector<float> row(static_cast<size_t>(tensor.shape[1]));
    for (int64_t i = 0; i < tensor.shape[0]; ++i) {
      tensor.CopyRowTo(i, row);
      add(row);
    }
  } else {
    add(tensor.ToFloats());
  }
  const std::string of = " of " + std::to_string(tensor.elements()) + " values";
  if (broken > 0)
    scan.broken.push_back(tensor.name + ": " + std::to_string(broken) + of + " are NaN or infinite");
  if (broken == 0 && matrix && largest == 0) scan.broken.push_back(tensor.name + ": all" + of + " are zero");
  if (largest > scan.largest_value) {
    scan.largest_value = largest;
    scan.largest = tensor.name;
  }
  const double rms = std::sqrt(squares / static_cast<double>(tensor.elements()));
  if (matrix && rms > 0 && largest / rms > scan.widest_ratio) {
    scan.widest_ratio = largest / rms;
    scan.widest = tensor.name;
  }
}

void LookAtBlocks(const std::vector<model::Block>& blocks, WeightScan& scan) {
  for (const model::Block& b : blocks) {
    for (const model::Norm* norm : {&b.norm1, &b.norm2}) {
      Look(norm->gamma, scan);
      Look(norm->beta, scan);
    }
    for (const model::Linear* linear : {&b.q, &b.k, &b.v, &b.out, &b.fc1, &b.up, &b.fc2}) {
      Look(linear->weight, scan);
      Look(linear->bias, scan);
    }
    Look(b.layer_scale1, scan);
    Look(b.layer_scale2, scan);
  }
}

}  // namespace

Agreement Compare(std::span<const float> first, std::span<const float> second, size_t dim) {
  const std::vector<double> a = Unit(first, dim);
  const std::vector<double> b = Unit(second, dim);
  Agreement result;
  result.count = a.size() / dim;
  std::vector<double> cosines;
  for (size_t i = 0; i < result.count; ++i) cosines.push_back(Dot(a, i, b, i, dim));
  result.least_cosine = *std::min_element(cosines.begin(), cosines.end());
  result.median_cosine = Median(cosines);
  if (result.count > kNearest + 1) result.overlap_at_10 = Overlap(a, b, dim);
  const auto distance = [](double cosine) { return std::sqrt(std::max(0.0, 2 - 2 * cosine)); };
  std::vector<double> between;
  for (size_t i = 1; i < result.count; ++i) {
    for (size_t j = 0; j < i; ++j) between.push_back(distance(Dot(a, i, a, j, dim)));
  }
  const double median = between.empty() ? 0 : Median(std::move(between));
  if (median > 0) result.error_over_distance = distance(result.least_cosine) / median;
  return result;
}

model::VisionModel FirstBlocks(const model::VisionModel& model, int layers) {
  model::VisionModel shorter = model;
  shorter.config.layers = layers;
  shorter.weights.blocks.resize(static_cast<size_t>(layers));
  return shorter;
}

model::VisionModel BareBlocks(const model::VisionModel& model, int layers) {
  model::VisionModel bare = FirstBlocks(model, layers);
  bare.config.has_post_norm = false;
  bare.config.projection_dim = 0;
  bare.weights.post_norm = {};
  bare.weights.projection = {};
  return bare;
}

std::vector<int> Depths(int layers, int count) {
  std::vector<int> depths;
  for (int i = 1; i <= std::min(layers, count); ++i) {
    depths.push_back(std::max(1, layers * i / std::min(layers, count)));
  }
  return depths;
}

WeightScan ScanWeights(const model::VisionModel& image, const model::TextModel* text) {
  WeightScan scan;
  const model::VisionWeights& w = image.weights;
  for (const TensorView* tensor :
       {&w.patch, &w.patch_bias, &w.class_token, &w.registers, &w.position, &w.pre_norm.gamma,
        &w.pre_norm.beta, &w.post_norm.gamma, &w.post_norm.beta, &w.pool.probe, &w.pool.norm.gamma,
        &w.pool.norm.beta, &w.projection.weight}) {
    Look(*tensor, scan);
  }
  for (const model::Linear* linear :
       {&w.pool.q, &w.pool.k, &w.pool.v, &w.pool.out, &w.pool.fc1, &w.pool.fc2}) {
    Look(linear->weight, scan);
    Look(linear->bias, scan);
  }
  LookAtBlocks(w.blocks, scan);
  if (text == nullptr) return scan;
  const model::TextWeights& t = text->weights;
  for (const TensorView* tensor : {&t.token_embedding, &t.position, &t.final_norm.gamma, &t.final_norm.beta,
                                   &t.projection.weight, &t.projection.bias}) {
    Look(*tensor, scan);
  }
  LookAtBlocks(t.blocks, scan);
  return scan;
}

}  // namespace photovec::engine
