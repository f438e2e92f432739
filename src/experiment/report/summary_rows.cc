// SPDX-License-Identifier: MIT
#include "experiment/report/summary_rows.h"

#include <algorithm>
#include <functional>

#include "experiment/analyse/findings.h"
#include "experiment/report/format.h"
#include "experiment/report/text.h"

namespace photovec::experiment {
namespace {

constexpr std::string_view kDash = "\xE2\x80\x93";

std::string Repetitions(const VariantFacts& facts) {
  const size_t all = facts.whole_runs + facts.failed_runs;
  return facts.failed_runs == 0 ? std::to_string(all)
                                : std::to_string(facts.whole_runs) + " / " + std::to_string(all);
}

std::string Failed(size_t failed, size_t all) {
  if (failed == 0) return "0";
  return FormatCount(failed) + " (" + FormatPercent(static_cast<double>(failed) / static_cast<double>(all)) +
         ")";
}

std::string Spread(const VariantFacts& facts) {
  if (facts.images_per_s.empty()) return std::string(kDash);
  const auto [low, high] = std::minmax_element(facts.images_per_s.begin(), facts.images_per_s.end());
  return FormatNumber(*low) + " \xE2\x80\xA6 " + FormatNumber(*high);
}

std::string Lag(const LoopLag& lag) {
  if (lag.p50_ms < 0 && lag.p99_ms < 0) return std::string(kDash);
  return FormatNumber(lag.p50_ms) + " / " + FormatNumber(lag.p99_ms) + " / " + FormatNumber(lag.max_ms);
}

void AddCapacity(const ExperimentData& data, Language language, std::vector<SummaryRow>& rows) {
  std::string objective;
  for (const Variant& variant : data.variants) {
    if (!variant.capacity.empty()) objective = variant.capacity[0].objective;
  }
  if (objective.empty()) return;
  SummaryRow row{Fill(Text(language, "capacity_result"), {objective}, language), {}, {}};
  for (const Variant& variant : data.variants) {
    if (variant.capacity.empty()) {
      row.cells.emplace_back(kDash);
    } else if (variant.capacity[0].requests_per_s <= 0) {
      row.cells.emplace_back(Text(language, "capacity_none"));
    } else {
      row.cells.push_back(FormatNumber(variant.capacity[0].requests_per_s) + " " +
                          std::string(Text(language, "row_requests_per_s")));
    }
    row.alarming.push_back(false);
  }
  rows.push_back(std::move(row));
}

}  // namespace

std::vector<SummaryRow> SummaryRows(const ExperimentData& data, const Analysis& analysis, Language language) {
  std::vector<SummaryRow> rows;
  const auto add = [&](std::string_view key, const std::function<std::string(const VariantFacts&)>& cell,
                       const std::function<bool(const VariantFacts&)>& alarming) {
    SummaryRow row{std::string(Text(language, key)), {}, {}};
    for (const VariantFacts& facts : analysis.facts) {
      row.cells.push_back(cell(facts));
      row.alarming.push_back(alarming(facts));
    }
    rows.push_back(std::move(row));
  };
  const auto never = [](const VariantFacts&) { return false; };
  add("repetitions", Repetitions, [](const VariantFacts& f) { return f.failed_runs > 0; });
  add(
      "requests_total", [](const VariantFacts& f) { return FormatCount(f.requests); }, never);
  add(
      "requests_failed", [](const VariantFacts& f) { return Failed(f.failed_requests, f.requests); },
      [](const VariantFacts& f) { return f.failed_requests > 0; });
  add(
      "images_total", [](const VariantFacts& f) { return FormatCount(f.images); }, never);
  add(
      "images_failed", [](const VariantFacts& f) { return Failed(f.failed_images, f.images); },
      [](const VariantFacts& f) { return f.failed_images > 0; });
  add("spread", Spread, never);
  add(
      "tail", [](const VariantFacts& f) { return f.tail > 0 ? FormatNumber(f.tail) : std::string(kDash); },
      never);
  add(
      "load_share", [](const VariantFacts& f) { return FormatPercent(f.load_share); },
      [](const VariantFacts& f) { return f.load_share > kGeneratorHeavy; });
  add(
      "store_share", [](const VariantFacts& f) { return FormatPercent(f.store_share); }, never);
  add(
      "loop_lag_values", [](const VariantFacts& f) { return Lag(f.loop_lag); },
      [](const VariantFacts& f) { return f.loop_lag.p99_ms > kLoopLagMs; });
  AddCapacity(data, language, rows);
  return rows;
}

}  // namespace photovec::experiment
