// SPDX-License-Identifier: MIT
#include "experiment/analyse/analysis.h"

#include <algorithm>

#include "experiment/analyse/estimates.h"
#include "experiment/analyse/findings.h"

namespace photovec::experiment {
namespace {

TableRow MakeRow(std::string_view key, Unit unit, Better better,
                 const std::vector<const Estimate*>& by_variant) {
  TableRow row{key, unit, better, {}};
  const Estimate& base = *by_variant[0];
  for (size_t v = 0; v < by_variant.size(); ++v) {
    row.cells.push_back(MakeCell(*by_variant[v]));
    if (v > 0 && ChangeRate(base, *by_variant[v])) row.cells[v].change = MakeChange(base, *by_variant[v]);
  }
  return row;
}

void AddTables(const std::vector<VariantEstimates>& variants, Analysis& analysis) {
  std::vector<const Estimate*> by_variant(variants.size());
  const auto rows = StageRows();
  for (size_t q = 0; q < kQuantiles.size(); ++q) {
    for (size_t i = 0; i < rows.size(); ++i) {
      for (size_t v = 0; v < variants.size(); ++v) by_variant[v] = &variants[v].stages[i][q];
      analysis.stages[q].push_back(MakeRow(rows[i].key, Unit::kMilliseconds, Better::kLower, by_variant));
    }
  }
  const auto means = MeanRows();
  for (size_t i = 0; i < means.size(); ++i) {
    for (size_t v = 0; v < variants.size(); ++v) by_variant[v] = &variants[v].means[i];
    auto& table = means[i].usage ? analysis.usage : analysis.rates;
    table.push_back(MakeRow(means[i].key, means[i].unit, means[i].better, by_variant));
  }
}

// An experiment without variants has the rows too, so that every writer can rely on them.
void AddEmptyTables(Analysis& analysis) {
  for (auto& table : analysis.stages) {
    for (const StageRow& row : StageRows())
      table.push_back({row.key, Unit::kMilliseconds, Better::kLower, {}});
  }
  for (const MeanRow& row : MeanRows()) {
    (row.usage ? analysis.usage : analysis.rates).push_back({row.key, row.unit, row.better, {}});
  }
}

}  // namespace

Analysis Analyse(const ExperimentData& data) {
  Analysis analysis;
  std::vector<VariantEstimates> estimates;
  for (size_t v = 0; v < data.variants.size(); ++v) {
    const Variant& variant = data.variants[v];
    analysis.variants.push_back(variant.name);
    analysis.figures.push_back(CollectFigures(variant, data.cpus));
    analysis.facts.push_back(CollectFacts(variant, data.cpus));
    estimates.push_back(EstimateVariant(analysis.figures[v], data.seed * 1'000'003 + v));
  }
  if (estimates.empty()) {
    AddEmptyTables(analysis);
  } else {
    AddTables(estimates, analysis);
  }
  analysis.findings = MakeFindings(data, analysis);
  return analysis;
}

bool HasFigures(const TableRow& row) {
  return std::any_of(row.cells.begin(), row.cells.end(), [](const Cell& cell) { return cell.samples > 0; });
}

const TableRow* FindRow(const std::vector<TableRow>& rows, std::string_view key) {
  const auto at = std::find_if(rows.begin(), rows.end(), [&](const TableRow& row) { return row.key == key; });
  return at == rows.end() ? nullptr : &*at;
}

std::vector<const TableRow*> MainTable(const Analysis& analysis) {
  std::vector<const TableRow*> rows;
  for (const std::string_view key : MainRows()) rows.push_back(FindRow(analysis.stages[kP95], key));
  for (const TableRow& row : analysis.usage) {
    if (HasFigures(row)) rows.push_back(&row);
  }
  return rows;
}

}  // namespace photovec::experiment
