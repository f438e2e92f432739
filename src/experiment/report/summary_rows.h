// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "experiment/analyse/analysis.h"
#include "experiment/report/report.h"

namespace photovec::experiment {

/// A row of the table of counts: repetitions, requests, failures, spread, generator, loop lag, capacity.
struct SummaryRow {
  std::string label;
  std::vector<std::string> cells;  ///< by variant
  std::vector<bool> alarming;      ///< a failure, or a limit that was passed
};
std::vector<SummaryRow> SummaryRows(const ExperimentData& data, const Analysis& analysis, Language language);

}  // namespace photovec::experiment
