// SPDX-License-Identifier: MIT
#include "experiment/report/charts.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>

#include "experiment/report/format.h"
#include "experiment/report/svg_chart.h"
#include "experiment/report/text.h"

namespace photovec::experiment {
namespace {

std::string RowLabel(std::string_view key, Language language) {
  return std::string(Text(language, "row_" + std::string(key)));
}

// Points of a distribution that a chart of 400 px can show; more towards the slow end, where people look.
std::vector<std::pair<double, double>> Distribution(const Figures& sorted) {
  constexpr int kPoints = 100;
  std::vector<std::pair<double, double>> points;
  for (int i = 1; i <= kPoints; ++i) {
    const double q = i / static_cast<double>(kPoints);
    points.emplace_back(RankQuantile(sorted, q), q);
  }
  for (const double q : {0.992, 0.995, 0.998, 0.999}) points.emplace_back(RankQuantile(sorted, q), q);
  std::sort(points.begin(), points.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return points;
}

// A stage that waits has the pale colour beside the full one of what it waits for (classes p0 .. p8 of the
// page).
size_t PartColor(std::string_view part) {
  struct Entry {
    std::string_view name;
    size_t color;
  };
  constexpr Entry kColors[] = {{"fetch", 0},       {"admit_wait", 1},  {"load_decode", 0}, {"decode", 2},
                               {"decode_wait", 3}, {"preprocess", 8},  {"encode", 4},      {"embed", 4},
                               {"tokenize", 8},    {"encode_text", 4}, {"batch_wait", 5},  {"receive", 6},
                               {"parse", 6},       {"collect", 6},     {"serialise", 6},   {"open", 6},
                               {"hand_over", 6},   {"pool_wait", 5},   {"other", 7}};
  for (const Entry& entry : kColors) {
    if (entry.name == part) return entry.color;
  }
  return 7;
}

const Run* FirstWholeRun(const Variant& variant) {
  for (const Run& run : variant.runs) {
    if (run.failure.empty()) return &run;
  }
  return nullptr;
}

Chart Timeline(const ExperimentData& data, const std::string& heading,
               const std::function<double(const ResourceSample&)>& value, double y_max) {
  LineChart chart;
  chart.title = heading;
  chart.x_unit = "s";
  double highest = 0;
  for (size_t v = 0; v < data.variants.size(); ++v) {
    const Run* run = FirstWholeRun(data.variants[v]);
    if (run == nullptr) continue;
    Series series{data.variants[v].name, v % kSeriesColors, {}};
    for (const ResourceSample& sample : run->resources) {
      const double y = value(sample);
      const double x = static_cast<double>(sample.at_us - run->began_us) / 1e6;
      if (y < 0 || x < 0 || x > run->seconds) continue;
      series.points.emplace_back(x, y);
      highest = std::max(highest, y);
    }
    chart.x_max = std::max(chart.x_max, run->seconds);
    if (series.points.size() > 1) chart.series.push_back(std::move(series));
  }
  if (chart.series.empty()) return {};
  chart.y_max = y_max > 0 ? y_max : std::max(highest * 1.05, 1e-3);
  return {heading, DrawLines(chart)};
}

}  // namespace

std::vector<Chart> DistributionCharts(const Analysis& analysis, Language language) {
  std::vector<Chart> charts;
  for (const StageRow& row : StageRows()) {
    const auto index = static_cast<size_t>(StageRowIndex(row.key));
    LineChart chart;
    chart.title = RowLabel(row.key, language) + " (" +
                  std::string(Text(language, row.per == Per::kImage ? "image" : "request")) + ")";
    chart.log_x = true;
    chart.y_percent = true;
    chart.y_guides = {0.5, 0.95};
    chart.x_unit = "ms";
    double low = std::numeric_limits<double>::infinity();
    double high = 0;
    for (size_t v = 0; v < analysis.figures.size(); ++v) {
      const Figures& figures = analysis.figures[v].rows[index];
      if (figures.size() == 0) continue;
      chart.series.push_back({analysis.variants[v], v % kSeriesColors, Distribution(figures)});
      low = std::min(low, RankQuantile(figures, 0.01));
      high = std::max(high, chart.series.back().points.back().first);
    }
    if (high <= 0.05) continue;  // nothing takes a twentieth of a millisecond: no picture is worth it
    chart.x_min = std::max(low * 0.9, std::max(high / 1e4, 0.01));
    chart.x_max = std::max(high * 1.05, chart.x_min * 2);
    charts.push_back({chart.title, DrawLines(chart)});
  }
  return charts;
}

std::vector<Chart> TimelineCharts(const ExperimentData& data, const Analysis& /*analysis*/,
                                  Language language) {
  const auto heading = [&](std::string_view key) { return std::string(Text(language, key)); };
  constexpr double kMiB = 1024.0 * 1024.0;
  std::vector<Chart> charts = {
      Timeline(
          data, heading("timeline_cpu"), [](const ResourceSample& s) { return s.machine_cpu * 100; }, 100),
      Timeline(
          data, heading("timeline_server"), [](const ResourceSample& s) { return s.server_cpus; }, data.cpus),
      Timeline(
          data, heading("timeline_rss"), [](const ResourceSample& s) { return s.rss_bytes / kMiB; }, 0),
      Timeline(
          data, heading("timeline_gpu"),
          [](const ResourceSample& s) { return s.gpu_busy < 0 ? -1.0 : s.gpu_busy * 100; }, 100),
      Timeline(
          data, heading("timeline_gpu_memory"),
          [](const ResourceSample& s) { return s.gpu_memory_bytes < 0 ? -1.0 : s.gpu_memory_bytes / kMiB; },
          0)};
  std::erase_if(charts, [](const Chart& chart) { return chart.svg.empty(); });
  return charts;
}

std::vector<Chart> BatchCharts(const Analysis& analysis, Language language) {
  std::vector<Chart> charts;
  for (size_t v = 0; v < analysis.figures.size(); ++v) {
    const auto& batches = analysis.figures[v].batches;
    if (batches.empty()) continue;
    uint64_t total = 0;
    uint64_t images = 0;
    for (const auto& [size, count] : batches) {
      total += count;
      images += count * static_cast<uint64_t>(size);
    }
    BarChart chart;
    chart.title = analysis.variants[v];
    chart.color = v % kSeriesColors;
    // Every size up to the largest has its place, unless there are more than a picture can hold apart.
    const int largest = batches.rbegin()->first;
    const int per_bar = std::max(1, (largest + 31) / 32);
    for (int from = 1; from <= largest; from += per_bar) {
      uint64_t count = 0;
      for (auto at = batches.lower_bound(from); at != batches.end() && at->first < from + per_bar; ++at) {
        count += at->second;
      }
      const std::string label = per_bar == 1
                                    ? std::to_string(from)
                                    : std::to_string(from) + "-" + std::to_string(from + per_bar - 1);
      chart.bars.emplace_back(label, static_cast<double>(count) / static_cast<double>(total));
      chart.hints.push_back(label + ": " + FormatCount(count));
    }
    charts.push_back(
        {analysis.variants[v] + " (" +
             Fill(Text(language, "mean_batch"),
                  {FormatNumber(static_cast<double>(images) / static_cast<double>(total))}, language) +
             ")",
         DrawBars(chart)});
  }
  return charts;
}

std::string PathChart(const Analysis& analysis, Language language) {
  std::vector<StackedBar> bars;
  for (size_t v = 0; v < analysis.variants.size(); ++v) {
    const VariantFacts& facts = analysis.facts[v];
    if (facts.path_total_ms <= 0) continue;
    StackedBar bar{analysis.variants[v], FormatNumber(facts.path_total_ms) + " ms", {}};
    for (const PathMean& part : facts.path) {
      bar.segments.push_back(
          {RowLabel(part.name, language), PartColor(part.name), part.ms, FormatNumber(part.ms)});
    }
    bars.push_back(std::move(bar));
  }
  return bars.empty() ? "" : DrawStackedBars(std::string(Text(language, "where")), bars);
}

std::vector<PathKey> PathLegend(const Analysis& analysis, Language language) {
  // In the order of the flow, so first all parts, then without those that are too thin to see in every bar.
  std::vector<std::pair<std::string_view, double>> shares;
  for (const VariantFacts& facts : analysis.facts) {
    for (const PathMean& part : facts.path) {
      auto at = std::find_if(shares.begin(), shares.end(),
                             [&](const auto& known) { return known.first == part.name; });
      if (at == shares.end()) at = shares.insert(shares.end(), {part.name, 0.0});
      at->second = std::max(at->second, part.ms / facts.path_total_ms);
    }
  }
  std::vector<PathKey> keys;
  for (const auto& [name, share] : shares) {
    if (share >= 0.005) keys.push_back({RowLabel(name, language), PartColor(name)});
  }
  return keys;
}

}  // namespace photovec::experiment
