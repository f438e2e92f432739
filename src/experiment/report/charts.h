// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "experiment/analyse/analysis.h"
#include "experiment/report/report.h"

namespace photovec::experiment {

/// One chart of the page: a heading and its SVG.
struct Chart {
  std::string heading;
  std::string svg;
};
/// How many colours the page has for variants.
inline constexpr size_t kSeriesColors = 8;

std::vector<Chart> DistributionCharts(const Analysis& analysis, Language language);
std::vector<Chart> TimelineCharts(const ExperimentData& data, const Analysis& analysis, Language language);
std::vector<Chart> BatchCharts(const Analysis& analysis, Language language);
/// The stacked bars, and which colour stands for which part.
std::string PathChart(const Analysis& analysis, Language language);
struct PathKey {
  std::string name;
  size_t color = 0;
};
std::vector<PathKey> PathLegend(const Analysis& analysis, Language language);

}  // namespace photovec::experiment
