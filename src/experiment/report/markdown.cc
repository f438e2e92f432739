// SPDX-License-Identifier: MIT
#include <cmath>

#include "experiment/report/format.h"
#include "experiment/report/report.h"
#include "experiment/report/summary_rows.h"
#include "experiment/report/text.h"

namespace photovec::experiment {
namespace {

class Markdown {
 public:
  Markdown(const ExperimentData& data, const Analysis& analysis, Language language)
      : data_(data), analysis_(analysis), language_(language) {}

  std::string Write() {
    out_ = "# " + T("title") + "\n\n";
    if (!analysis_.findings.empty()) {
      out_ += "**" + EscapeMarkdown(FindingText(analysis_.findings[0], language_)) + "**\n\n";
    }
    Heading("main_table");
    Table("stage", MainTable(analysis_), false);
    if (!analysis_.variants.empty()) {
      out_ += Fill(T("main_note"), {EscapeMarkdown(analysis_.variants[0])}, language_) + " " +
              T("overlap_note") + "\n\n";
    }
    Heading("throughput");
    std::vector<const TableRow*> rates;
    for (const TableRow& row : analysis_.rates) rates.push_back(&row);
    Table("throughput", rates, false);
    Summary();
    Path();
    Findings();
    for (size_t q = 0; q < kQuantiles.size(); ++q) {
      out_ +=
          "## " + T("all_stages") + ", p" + std::to_string(std::lround(kQuantiles[q] * 100)) + " (ms)\n\n";
      std::vector<const TableRow*> rows;
      for (const TableRow& row : analysis_.stages[q]) rows.push_back(&row);
      Table("stage", rows, true);
    }
    Method();
    return std::move(out_);
  }

 private:
  std::string T(std::string_view key) const { return std::string(Text(language_, key)); }
  void Heading(std::string_view key) { out_ += "## " + T(key) + "\n\n"; }

  // A column per variant, and one for the change of each but the first.
  void Table(std::string_view corner, const std::vector<const TableRow*>& rows, bool samples) {
    std::string rule = "|---|";
    out_ += "| " + T(corner) + " |";
    for (size_t v = 0; v < analysis_.variants.size(); ++v) {
      out_ += " " + EscapeMarkdown(analysis_.variants[v]) + " |";
      rule += "---:|";
      if (v == 0) continue;
      out_ += " " + T("change") + " |";
      rule += "---|";
    }
    out_ += "\n" + rule + "\n";
    for (const TableRow* row : rows) {
      const int index = StageRowIndex(row->key);
      out_ += "| " + T("row_" + std::string(row->key));
      if (samples && index >= 0) {
        const bool image = StageRows()[static_cast<size_t>(index)].per == Per::kImage;
        out_ += " (" + T(image ? "image" : "request") + ")";
      }
      out_ += " |";
      for (size_t v = 0; v < row->cells.size(); ++v) Cells(row->cells[v], row->unit, v, samples);
      out_ += "\n";
    }
    out_ += "\n";
  }

  void Cells(const Cell& cell, Unit unit, size_t v, bool samples) {
    out_ += " " + FormatCell(cell, unit);
    if (samples && cell.samples > 0) out_ += " (" + FormatCount(cell.samples) + ")";
    out_ += " |";
    if (v == 0) return;
    if (cell.change) {
      out_ += " " + FormatChange(*cell.change, language_);
      if (cell.change->interval) out_ += " (" + FormatInterval(*cell.change->interval) + ")";
    }
    out_ += " |";
  }

  void Summary() {
    out_ += "| |";
    std::string rule = "|---|";
    for (const std::string& name : analysis_.variants) {
      out_ += " " + EscapeMarkdown(name) + " |";
      rule += "---:|";
    }
    out_ += "\n" + rule + "\n";
    for (const SummaryRow& row : SummaryRows(data_, analysis_, language_)) {
      out_ += "| " + EscapeMarkdown(row.label) + " |";
      for (const std::string& cell : row.cells) out_ += " " + EscapeMarkdown(cell) + " |";
      out_ += "\n";
    }
    out_ += "\n";
  }

  void Path() {
    Heading("where");
    for (size_t v = 0; v < analysis_.variants.size(); ++v) {
      const VariantFacts& facts = analysis_.facts[v];
      if (facts.path_total_ms <= 0) continue;
      out_ += "* **" + EscapeMarkdown(analysis_.variants[v]) + "** " + FormatNumber(facts.path_total_ms) +
              " ms: ";
      bool first = true;
      for (const PathMean& part : facts.path) {
        if (part.ms / facts.path_total_ms < 0.0005) continue;
        out_ += (first ? "" : ", ") + T("row_" + std::string(part.name)) + " " + FormatNumber(part.ms);
        first = false;
      }
      out_ += ". " + Fill(T("where_note"), {FormatPercent(facts.accounted)}, language_) + "\n";
    }
    out_ += "\n";
  }

  void Findings() {
    Heading("findings");
    for (size_t i = 1; i < analysis_.findings.size(); ++i) {
      out_ += "* " + EscapeMarkdown(FindingText(analysis_.findings[i], language_)) + "\n";
    }
    out_ += "\n";
    for (const Variant& variant : data_.variants) {
      for (const Run& run : variant.runs) {
        if (run.failure.empty() || run.log_tail.empty()) continue;
        out_ += EscapeMarkdown(variant.name) + ": " + T("log_tail") + "\n\n";
        for (const std::string& line : run.log_tail) out_ += "    " + line + "\n";
        out_ += "\n";
      }
    }
  }

  void Method() {
    Heading("method");
    out_ +=
        Fill(T("method_text"), {std::to_string(kResamples), std::to_string(data_.seed)}, language_) + "\n\n";
    out_ += "* " + T("created") + ": " + EscapeMarkdown(data_.created) + ", photovec " +
            EscapeMarkdown(data_.version) + "\n* " + T("command") + ": " +
            EscapeMarkdown(JoinCommand(data_.command)) + "\n* " + T("machine") + ": " +
            EscapeMarkdown(data_.machine_json) + "\n";
    for (const auto& [name, value] : data_.versions) {
      out_ += "* " + EscapeMarkdown(name) + " " + EscapeMarkdown(value) + "\n";
    }
    for (const auto& [name, value] : data_.options) {
      out_ += "* " + EscapeMarkdown(name) + ": " + EscapeMarkdown(value) + "\n";
    }
  }

  const ExperimentData& data_;
  const Analysis& analysis_;
  Language language_;
  std::string out_;
};

}  // namespace

std::string ReportMarkdown(const ExperimentData& data, const Analysis& analysis, Language language) {
  return Markdown(data, analysis, language).Write();
}
std::string ReportMarkdown(const ExperimentData& data, Language language) {
  return ReportMarkdown(data, Analyse(data), language);
}

}  // namespace photovec::experiment
