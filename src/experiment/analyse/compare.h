// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "experiment/analyse/analysis.h"
#include "experiment/run_data.h"

namespace photovec::experiment {

/// A stage that became worse by less than this, in milliseconds, has not regressed, whatever its rate:
/// parsing a request takes microseconds, and 0.02 instead of 0.01 ms is +100% that nobody can notice.
inline constexpr double kNoticeableMs = 0.05;

struct CompareOptions {
  double threshold = 0.10;  ///< worse by more than this share is a regression
  std::string variant;      ///< only this one; empty: all that both reports have
};

struct ComparedRow {
  std::string_view key;
  Unit unit = Unit::kMilliseconds;
  Better better = Better::kLower;
  Cell before;
  Cell after;  ///< with its change
  bool regressed = false;
};

struct ComparedVariant {
  std::string name;
  std::vector<ComparedRow> rows;  ///< stages at p95, then throughput and CPU per image
};

struct Comparison {
  std::vector<ComparedVariant> variants;
  std::vector<std::string> notes;  ///< what else differs: machine, versions, options, variants, failures
  bool regressed = false;
};

/// Compares the variants of the same name; when each report has a single one, those, whatever their names. A
/// row has regressed when it is worse by more than the threshold and its whole interval lies on the bad side
/// of zero. Errors: kInvalidRequest when no variants match, or none has figures in both reports.
Result<Comparison> Compare(const ExperimentData& before, const ExperimentData& after,
                           const CompareOptions& options);

/// A table for terminals, the notes, and the verdict.
std::string ComparisonText(const Comparison& comparison, const CompareOptions& options);

}  // namespace photovec::experiment
