// SPDX-License-Identifier: MIT
#include "preprocess/taps.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace photovec::preprocess {
namespace {

double Sinc(double x) {
  if (x == 0.0) return 1.0;
  const double angle = x * std::numbers::pi;
  return std::sin(angle) / angle;
}

double FilterRadius(Filter filter) {
  switch (filter) {
    case Filter::kBilinear:
      return 1.0;
    case Filter::kBicubic:
      return 2.0;
    case Filter::kLanczos:
      return 3.0;
  }
  return 1.0;
}

double FilterValue(Filter filter, double x) {
  const double t = std::abs(x);
  switch (filter) {
    case Filter::kBilinear:
      return t < 1.0 ? 1.0 - t : 0.0;
    case Filter::kBicubic: {
      // Keys' cubic convolution with Pillow's a; the order of operations decides the last bit.
      constexpr double a = -0.5;
      if (t < 1.0) return ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0;
      return t < 2.0 ? (((t - 5.0) * t + 8.0) * t - 4.0) * a : 0.0;
    }
    case Filter::kLanczos:
      return x >= -3.0 && x < 3.0 ? Sinc(x) * Sinc(x / 3.0) : 0.0;
  }
  return 0.0;
}

struct Window {
  int begin = 0;  // oriented input pixels [begin, begin + weights.size())
  std::vector<double> weights;
};

/// Undoes the blur of DCT scaling; see BuildTapTable(). Weights beside the window are 0 wherever the picture
/// goes on.
void Sharpen(int denominator, std::vector<double>& weights) {
  const double d = denominator;
  const double half_variance = (1.0 - 1.0 / (d * d)) / 24.0;
  const double share = denominator == 2 ? half_variance / 4.0 : half_variance;
  double before = 0.0;
  for (size_t i = 0; i < weights.size(); ++i) {
    const double here = weights[i];
    const double after = i + 1 < weights.size() ? weights[i + 1] : 0.0;
    weights[i] = here + share * (2.0 * here - before - after);
    before = here;
  }
}

/// Computes the normalised weights of one output pixel into `window`.
void ComputeWindow(const AxisKey& key, int out, Window& window) {
  // Pillow subtracts the box's ends as floats.
  const double scale = static_cast<double>(key.box_end - key.box_begin) / key.out_size;
  const double filter_scale = std::max(scale, 1.0);
  const double radius = FilterRadius(key.filter) * filter_scale;
  const double center = static_cast<double>(key.box_begin) + (out + 0.5) * scale;
  const double inverse = 1.0 / filter_scale;
  window.begin = std::max(0, static_cast<int>(center - radius + 0.5));
  const int end = std::min(key.in_size, static_cast<int>(center + radius + 0.5));
  window.weights.clear();
  for (int i = window.begin; i < end; ++i) {
    window.weights.push_back(FilterValue(key.filter, (i - center + 0.5) * inverse));
  }
  if (key.denominator > 1) Sharpen(key.denominator, window.weights);
  double sum = 0.0;
  for (const double weight : window.weights) sum += weight;
  if (sum != 0.0) {
    for (double& weight : window.weights) weight /= sum;
  }
}

int32_t ToFixedPoint(double weight) {
  const double scaled = weight * (1 << TapTable::kPrecisionBits);
  return static_cast<int32_t>(weight < 0.0 ? scaled - 0.5 : scaled + 0.5);
}

int32_t PackHalves(int32_t first, int32_t second) {
  const uint32_t bits = (static_cast<uint32_t>(first) & 0xFFFFU) | (static_cast<uint32_t>(second) << 16);
  return static_cast<int32_t>(bits);
}

struct Digits {
  int32_t high;
  int32_t low;
};

Digits Split(int32_t coef) {
  const int32_t high = (coef + (1 << (TapTable::kDigitBits - 1))) >> TapTable::kDigitBits;
  return {high, coef - high * (1 << TapTable::kDigitBits)};
}

/// Appends one tap to the table, whose first_in is set. `coefs` are in source order and start at `begin`.
void AppendTap(int out, int begin, const std::vector<int32_t>& coefs, TapTable& table) {
  const int offset = begin - table.first_in;
  const int lead = offset % 2;  // an odd start gets a zero before it
  const auto count = static_cast<int>(coefs.size());
  Tap tap;
  tap.out = out;
  tap.first_pair = offset / 2;
  tap.pairs = (lead + count + 1) / 2;
  tap.coefs = static_cast<uint32_t>(table.coefs.size());
  const auto at = [&](int k) {
    return k < 0 || k >= count ? Digits{0, 0} : Split(coefs[static_cast<size_t>(k)]);
  };
  for (int p = 0; p < tap.pairs; ++p) {
    const Digits first = at(2 * p - lead);
    const Digits second = at(2 * p - lead + 1);
    table.coefs.push_back(PackHalves(first.high, second.high));
    table.coefs.push_back(PackHalves(first.low, second.low));
  }
  table.end_in = std::max(table.end_in, begin + count);
  table.max_pairs = std::max(table.max_pairs, tap.pairs);
  table.taps.push_back(tap);
}

}  // namespace

TapTable BuildTapTable(const AxisKey& key) {
  TapTable table;
  table.taps.reserve(static_cast<size_t>(key.out_count));
  Window window;
  std::vector<int32_t> coefs;
  for (int i = 0; i < key.out_count; ++i) {
    const int out = key.mirrored ? key.out_count - 1 - i : i;
    ComputeWindow(key, key.out_begin + out, window);
    const auto count = static_cast<int>(window.weights.size());
    const int begin = key.mirrored ? key.in_size - window.begin - count : window.begin;
    coefs.resize(window.weights.size());
    std::transform(window.weights.begin(), window.weights.end(), coefs.begin(), ToFixedPoint);
    if (key.mirrored) std::reverse(coefs.begin(), coefs.end());
    if (i == 0) table.first_in = begin;
    AppendTap(out, begin, coefs, table);
  }
  return table;
}

const TapTable& TapCache::Get(const AxisKey& key) {
  ++clock_;
  std::unique_ptr<Entry>* oldest = &entries_[0];
  for (std::unique_ptr<Entry>& entry : entries_) {
    if (entry != nullptr && entry->key == key) {
      entry->last_use = clock_;
      return entry->table;
    }
    if (*oldest != nullptr && (entry == nullptr || entry->last_use < (*oldest)->last_use)) oldest = &entry;
  }
  auto fresh = std::make_unique<Entry>(Entry{key, BuildTapTable(key), clock_});
  *oldest = std::move(fresh);
  return (*oldest)->table;
}

}  // namespace photovec::preprocess
