// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "experiment/analyse/analysis.h"

namespace photovec::experiment {

/// A row that is a mean over time rather than a quantile over requests.
struct MeanRow {
  std::string_view key;
  Unit unit = Unit::kShare;
  Better better = Better::kNeither;
  Figures VariantFigures::*figures = nullptr;
  bool usage = false;  ///< of the table of resource use; else of throughput
};
std::span<const MeanRow> MeanRows();

/// Every figure of a variant with its resamples.
struct VariantEstimates {
  std::vector<std::vector<Estimate>> stages;  ///< [StageRows()][kQuantiles]
  std::vector<Estimate> means;                ///< by MeanRows()
};
VariantEstimates EstimateVariant(const VariantFigures& figures, uint64_t seed);

/// Without a change.
Cell MakeCell(const Estimate& estimate);
/// Needs ChangeRate(base, other).
Change MakeChange(const Estimate& base, const Estimate& other);

}  // namespace photovec::experiment
