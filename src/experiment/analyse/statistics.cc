// SPDX-License-Identifier: MIT
#include "experiment/analyse/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace photovec::experiment {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

// Position of the q-quantile among `total` figures that are counted from the highest, from 1.
uint64_t RankFromTop(double q, uint64_t total) {
  const double from_bottom = std::ceil(q * static_cast<double>(total) - 1e-9);
  const auto rank =
      std::clamp<uint64_t>(static_cast<uint64_t>(std::max(from_bottom, 1.0)), uint64_t{1}, total);
  return total - rank + 1;
}

// One resample of one row: its figures count as often as their groups do. Walks from the top, so a high
// quantile looks at few figures.
void WeightedQuantiles(const Figures& row, std::span<const uint32_t> group_size,
                       std::span<const uint32_t> weights, std::span<const double> quantiles,
                       std::vector<Estimate>& out) {
  uint64_t total = 0;
  for (size_t i = 0; i < weights.size(); ++i) total += uint64_t{weights[i]} * group_size[i];
  if (total == 0) {
    for (Estimate& estimate : out) estimate.resampled.push_back(kNone);
    return;
  }
  uint64_t seen = 0;
  size_t next = 0;  // the figure that `seen` does not count yet
  for (size_t k = quantiles.size(); k-- > 0;) {
    const uint64_t rank = RankFromTop(quantiles[k], total);
    while (seen < rank) seen += weights[row.group[next++]];
    out[k].resampled.push_back(row.value[next - 1]);
  }
}

bool EnoughGroups(std::span<const uint32_t> group_sizes) {
  return std::count_if(group_sizes.begin(), group_sizes.end(), [](uint32_t size) { return size > 0; }) >=
         static_cast<std::ptrdiff_t>(kMinGroups);
}

}  // namespace

void SortDescending(Figures& figures) {
  std::vector<uint32_t> order(figures.size());
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(),
                   [&](uint32_t a, uint32_t b) { return figures.value[a] > figures.value[b]; });
  Figures sorted;
  sorted.value.reserve(order.size());
  sorted.group.reserve(order.size());
  for (const uint32_t i : order) sorted.Add(figures.value[i], figures.group[i]);
  figures = std::move(sorted);
}

double RankQuantile(const Figures& sorted, double q) {
  return sorted.value[RankFromTop(q, sorted.size()) - 1];
}

TwoLevelResampler::TwoLevelResampler(const Layout& layout, uint64_t seed)
    : layout_(layout), random_(seed), weights_(layout.groups()) {}

uint32_t TwoLevelResampler::Below(uint32_t bound) {
  return static_cast<uint32_t>(((random_.Next() >> 32U) * bound) >> 32U);
}

std::span<const uint32_t> TwoLevelResampler::Draw() {
  std::fill(weights_.begin(), weights_.end(), 0U);
  const auto repetitions = static_cast<uint32_t>(layout_.repetitions());
  for (uint32_t i = 0; i < repetitions; ++i) {
    const size_t r = repetitions == 1 ? 0 : Below(repetitions);
    const uint32_t begin = layout_.begins[r];
    const uint32_t size = layout_.begins[r + 1] - begin;
    for (uint32_t k = 0; k < size; ++k) ++weights_[begin + Below(size)];
  }
  return weights_;
}

std::vector<std::vector<Estimate>> BootstrapQuantiles(std::span<const Figures* const> rows,
                                                      const Layout& layout, std::span<const double> quantiles,
                                                      uint64_t seed) {
  std::vector<std::vector<Estimate>> result(rows.size(), std::vector<Estimate>(quantiles.size()));
  std::vector<std::vector<uint32_t>> group_sizes(rows.size());
  std::vector<bool> enough(rows.size());
  for (size_t row = 0; row < rows.size(); ++row) {
    group_sizes[row].assign(layout.groups(), 0);
    for (const uint32_t group : rows[row]->group) ++group_sizes[row][group];
    enough[row] = EnoughGroups(group_sizes[row]);
    for (size_t k = 0; k < quantiles.size(); ++k) {
      Estimate& estimate = result[row][k];
      estimate.samples = rows[row]->size();
      if (estimate.samples > 0) estimate.value = RankQuantile(*rows[row], quantiles[k]);
    }
  }
  TwoLevelResampler resampler(layout, seed);
  for (int i = 0; i < kResamples; ++i) {
    const auto weights = resampler.Draw();
    for (size_t row = 0; row < rows.size(); ++row) {
      if (!enough[row]) continue;
      WeightedQuantiles(*rows[row], group_sizes[row], weights, quantiles, result[row]);
    }
  }
  return result;
}

Estimate BootstrapMean(const Figures& figures, const Layout& layout, uint64_t seed) {
  Estimate estimate;
  estimate.samples = figures.size();
  if (estimate.samples == 0) return estimate;
  std::vector<double> sums(layout.groups(), 0.0);
  std::vector<uint32_t> sizes(layout.groups(), 0);
  for (size_t i = 0; i < figures.size(); ++i) {
    sums[figures.group[i]] += figures.value[i];
    ++sizes[figures.group[i]];
  }
  estimate.value =
      std::accumulate(figures.value.begin(), figures.value.end(), 0.0) / static_cast<double>(figures.size());
  if (!EnoughGroups(sizes)) return estimate;
  TwoLevelResampler resampler(layout, seed);
  estimate.resampled.reserve(kResamples);
  for (int i = 0; i < kResamples; ++i) {
    const auto weights = resampler.Draw();
    double sum = 0;
    double count = 0;
    for (size_t group = 0; group < sums.size(); ++group) {
      sum += weights[group] * sums[group];
      count += static_cast<double>(weights[group]) * sizes[group];
    }
    estimate.resampled.push_back(count > 0 ? sum / count : kNone);
  }
  return estimate;
}

std::optional<Interval> ConfidenceInterval(std::vector<double> resampled) {
  std::erase_if(resampled, [](double value) { return !std::isfinite(value); });
  if (resampled.size() * 2 < static_cast<size_t>(kResamples)) return std::nullopt;
  std::sort(resampled.begin(), resampled.end());
  const auto at = [&](double q) {
    return resampled[static_cast<size_t>(std::lround(q * static_cast<double>(resampled.size() - 1)))];
  };
  return Interval{at((1 - kConfidence) / 2), at((1 + kConfidence) / 2)};
}

std::optional<double> ChangeRate(const Estimate& base, const Estimate& other) {
  if (base.samples == 0 || other.samples == 0 || base.value <= 0) return std::nullopt;
  return other.value / base.value - 1;
}

std::optional<Interval> ChangeInterval(const Estimate& base, const Estimate& other) {
  if (!ChangeRate(base, other)) return std::nullopt;
  const size_t count = std::min(base.resampled.size(), other.resampled.size());
  std::vector<double> rates;
  rates.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    rates.push_back(base.resampled[i] > 0 ? other.resampled[i] / base.resampled[i] - 1 : kNone);
  }
  return ConfidenceInterval(std::move(rates));
}

}  // namespace photovec::experiment
