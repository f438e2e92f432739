// SPDX-License-Identifier: MIT
#include "experiment/report/format.h"
#include "experiment/report/plain_table.h"
#include "experiment/report/report.h"
#include "experiment/report/text.h"

namespace photovec::experiment {
namespace {

std::vector<std::string> Cells(const TableRow& row, Language language) {
  std::vector<std::string> cells = {std::string(Text(language, "row_" + std::string(row.key)))};
  for (size_t v = 0; v < row.cells.size(); ++v) {
    const Cell& cell = row.cells[v];
    cells.push_back(FormatCell(cell, row.unit));
    if (v == 0) continue;
    std::string change;
    if (cell.change) {
      change = FormatChange(*cell.change, language);
      if (cell.change->interval) change += " (" + FormatInterval(*cell.change->interval) + ")";
    }
    cells.push_back(std::move(change));
  }
  return cells;
}

}  // namespace

std::string ReportText(const ExperimentData& /*data*/, const Analysis& analysis, Language language) {
  std::vector<std::vector<std::string>> table(1);
  std::vector<bool> left = {true};
  table[0].emplace_back(Text(language, "stage"));
  for (size_t v = 0; v < analysis.variants.size(); ++v) {
    table[0].push_back(analysis.variants[v]);
    left.push_back(false);
    if (v == 0) continue;
    table[0].emplace_back(Text(language, "change"));
    left.push_back(true);
  }
  for (const TableRow* row : MainTable(analysis)) table.push_back(Cells(*row, language));
  for (const TableRow& row : analysis.rates) {
    if (HasFigures(row)) table.push_back(Cells(row, language));
  }
  std::string out = std::string(Text(language, "main_table")) + "\n\n" + PlainTable(table, left) + "\n";
  for (const Finding& finding : analysis.findings) {
    out += "* " + Printable(FindingText(finding, language)) + "\n";
  }
  return out;
}

std::string ReportText(const ExperimentData& data, Language language) {
  return ReportText(data, Analyse(data), language);
}

}  // namespace photovec::experiment
