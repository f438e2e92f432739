// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/random.h"

namespace photovec::experiment {

/// Both ends belong to it.
struct Interval {
  double low = 0;
  double high = 0;
  bool SpansZero() const { return low <= 0 && high >= 0; }
};

/// Which groups (whole requests, or seconds of a time line) belong to which repetition: repetition r has the
/// groups begins[r] .. begins[r + 1] - 1. A layout of no repetition holds one zero.
struct Layout {
  std::vector<uint32_t> begins = {0};
  size_t repetitions() const { return begins.size() - 1; }
  uint32_t groups() const { return begins.back(); }
};

/// Figures, and the group that each belongs to.
struct Figures {
  std::vector<double> value;
  std::vector<uint32_t> group;
  void Add(double figure, size_t of_group) {
    value.push_back(figure);
    group.push_back(static_cast<uint32_t>(of_group));
  }
  size_t size() const { return value.size(); }
};
/// Sorts by value, the highest first, as BootstrapQuantiles wants them.
void SortDescending(Figures& figures);

/// The q-quantile of figures sorted the highest first, by rank: the smallest figure that at least a share q
/// of all does not exceed, so always one that was measured. It is what reports publish and what a weighted
/// resample can give, too; base/quantile.h, for everything else, lies between two figures. Needs at least one
/// figure.
double RankQuantile(const Figures& sorted, double q);

/// A figure of one variant, with what it came out as in each resample (NaN: the resample had no figures;
/// empty: fewer than kMinGroups groups have figures).
struct Estimate {
  size_t samples = 0;  ///< 0: there is no value
  double value = 0;
  std::vector<double> resampled;
};

inline constexpr int kResamples = 1'000;
inline constexpr double kConfidence = 0.95;
/// With fewer groups than this a resample repeats so much that its spread says nothing: no interval is given.
inline constexpr size_t kMinGroups = 8;

/// How often each group counts in a resample of two levels: repetitions are drawn with replacement, then, for
/// each drawn one, as many of its groups as it has. With one repetition only the second level varies. The
/// same seed gives the same draws on every machine.
class TwoLevelResampler {
 public:
  TwoLevelResampler(const Layout& layout, uint64_t seed);
  /// Weights by group, until the next call.
  std::span<const uint32_t> Draw();

 private:
  uint32_t Below(uint32_t bound);

  Layout layout_;
  SplitMix64 random_;
  std::vector<uint32_t> weights_;
};

/// Quantiles of many rows of the same groups, one Estimate for each [row][quantile]. Rows share the draws:
/// the figures of one request stay together.
/// \param rows sorted the highest first.
/// \param quantiles ascending.
std::vector<std::vector<Estimate>> BootstrapQuantiles(std::span<const Figures* const> rows,
                                                      const Layout& layout, std::span<const double> quantiles,
                                                      uint64_t seed);
/// The same of a mean.
Estimate BootstrapMean(const Figures& figures, const Layout& layout, uint64_t seed);

/// The middle 95% of the resampled values; none when fewer than half of the resamples have one.
std::optional<Interval> ConfidenceInterval(std::vector<double> resampled);
/// Change rate other / base - 1; none when either is missing or base is 0.
std::optional<double> ChangeRate(const Estimate& base, const Estimate& other);
/// Its interval, from resamples of both that are independent of each other.
std::optional<Interval> ChangeInterval(const Estimate& base, const Estimate& other);

}  // namespace photovec::experiment
