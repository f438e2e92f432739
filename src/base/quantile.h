// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

namespace photovec {

/// What a share `q` (0 to 1) of the values does not exceed, between two of them in proportion: the median of
/// an even number is the mean of the two in the middle. 0 of no values.
inline double Quantile(std::vector<double> values, double q) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const double at = q * static_cast<double>(values.size() - 1);
  const auto below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, values.size() - 1);
  return std::lerp(values[below], values[above], at - static_cast<double>(below));
}

inline double Median(std::vector<double> values) { return Quantile(std::move(values), 0.5); }

}  // namespace photovec
