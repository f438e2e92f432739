// SPDX-License-Identifier: MIT
#include <cmath>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "experiment/report/charts.h"
#include "experiment/report/format.h"
#include "experiment/report/page_files.h"
#include "experiment/report/report.h"
#include "experiment/report/summary_rows.h"
#include "experiment/report/text.h"

namespace photovec::experiment {
namespace {

// `page` with each {name} replaced. Braces around anything else stay.
std::string FillNamed(std::string_view page, const std::map<std::string_view, std::string>& values) {
  std::string out;
  while (!page.empty()) {
    const size_t open = page.find('{');
    const size_t close = open == std::string_view::npos ? open : page.find('}', open);
    if (close == std::string_view::npos) break;
    const auto value = values.find(page.substr(open + 1, close - open - 1));
    out += page.substr(0, open);
    out += value == values.end() ? page.substr(open, close + 1 - open) : std::string_view(value->second);
    page.remove_prefix(close + 1);
  }
  return out.append(page);
}

class Page {
 public:
  Page(const ExperimentData& data, const Analysis& analysis, Language language)
      : data_(data), analysis_(analysis), language_(language) {}

  std::string Write() {
    Tiles();
    Alerts();
    MainSection();
    Where();
    Findings();
    Throughput();
    Charts("cdfs", "cdf_note", DistributionCharts(analysis_, language_), true);
    Charts("timelines", "timeline_note", TimelineCharts(data_, analysis_, language_), true);
    Charts("batches", "batches_note", BatchCharts(analysis_, language_), false);
    AllStages();
    LogTails();
    Method();
    return Around(std::move(out_));
  }

 private:
  // Texts of the table hold no markup, but & may stand in them.
  std::string T(std::string_view key) const { return EscapeHtml(Text(language_, key)); }
  std::string Filled(std::string_view key, const std::vector<std::string>& values) const {
    return EscapeHtml(Fill(Text(language_, key), values, language_));
  }
  std::string Name(size_t v) const { return EscapeHtml(analysis_.variants[v]); }
  void Section(std::string_view key) { out_ += "<section>\n<h2>" + T(key) + "</h2>\n"; }
  void EndSection() { out_ += "</section>\n"; }
  void Note(const std::string& escaped) { out_ += "<p class=\"note\">" + escaped + "</p>\n"; }

  std::string Around(std::string sections) const {
    std::string headline;
    if (!analysis_.findings.empty()) headline = EscapeHtml(FindingText(analysis_.findings[0], language_));
    return FillNamed(PageHtml(), {{"lang", language_ == Language::kKorean ? "ko" : "en"},
                                  {"title", T("title")},
                                  {"style", std::string(PageStyle())},
                                  {"created", EscapeHtml(data_.created)},
                                  {"headline", std::move(headline)},
                                  {"sections", std::move(sections)},
                                  {"version", EscapeHtml(data_.version)}});
  }

  void Tiles() {
    const TableRow* total = FindRow(analysis_.stages[kP95], "http_total");
    if (!HasFigures(*total)) total = FindRow(analysis_.stages[kP95], "client_total");
    const TableRow* rate = FindRow(analysis_.rates, "images_per_s");
    out_ += "<div class=\"tiles\">\n";
    for (size_t v = 0; v < analysis_.variants.size(); ++v) {
      out_ += "<div class=\"tile s" + std::to_string(v % kSeriesColors) + "\"><h3>" + Name(v) + "</h3><b>" +
              FormatCell(total->cells[v], Unit::kMilliseconds) + " ms</b> " +
              ChangeSpan(total->cells[v], *total) + "<p>" + T("row_http_total") + " p95</p><p>" +
              FormatCell(rate->cells[v], Unit::kPerSecond) + " " + T("row_images_per_s") + " " +
              ChangeSpan(rate->cells[v], *rate) + "</p></div>\n";
    }
    out_ += "</div>\n";
  }

  void Alerts() {
    std::string items;
    for (size_t i = 1; i < analysis_.findings.size(); ++i) {
      const Finding& finding = analysis_.findings[i];
      const bool bad = finding.kind == Finding::Kind::kBad;
      if (!bad && finding.kind != Finding::Kind::kWarning) continue;
      items += std::string("<li class=\"") + (bad ? "bad" : "warning") + "\">" +
               EscapeHtml(FindingText(finding, language_)) + "</li>\n";
    }
    if (!items.empty()) out_ += "<ul class=\"alerts\">\n" + items + "</ul>\n";
  }

  // Good and bad are said by colour; up and down by the arrow, which needs none.
  std::string ChangeSpan(const Cell& cell, const TableRow& row) const {
    if (!cell.change) return "";
    std::string_view css = "same";
    const Verdict verdict = cell.change->verdict;
    if (row.better != Better::kNeither && (verdict == Verdict::kHigher || verdict == Verdict::kLower)) {
      css = (verdict == Verdict::kHigher) == (row.better == Better::kHigher) ? "good" : "bad";
    } else if (verdict == Verdict::kHigher || verdict == Verdict::kLower) {
      css = "neutral";
    }
    return "<span class=\"" + std::string(css) + "\">" + EscapeHtml(FormatChange(*cell.change, language_)) +
           "</span>";
  }

  void TableHead(std::string_view corner) {
    out_ += "<div class=\"scroll\"><table>\n<thead><tr><th>" + T(corner) + "</th>";
    for (size_t v = 0; v < analysis_.variants.size(); ++v) {
      out_ += "<th class=\"own\">" + Name(v) + "</th>";
      if (v > 0) out_ += "<th>" + T("change") + "</th>";
    }
    out_ += "</tr></thead>\n<tbody>\n";
  }
  void EndTable() { out_ += "</tbody>\n</table></div>\n"; }

  void Row(const TableRow& row, std::string_view css) {
    const int index = StageRowIndex(row.key);
    std::string per;
    if (index >= 0) {
      const bool image = StageRows()[static_cast<size_t>(index)].per == Per::kImage;
      per = "<small>" + T(image ? "image" : "request") + "</small>";
    }
    out_ += "<tr class=\"" + std::string(css) + "\"><th>" + T("row_" + std::string(row.key)) + per + "</th>";
    for (size_t v = 0; v < row.cells.size(); ++v) {
      const Cell& cell = row.cells[v];
      out_ += "<td>" + FormatCell(cell, row.unit);
      if (cell.samples > 0) out_ += "<small>n " + FormatCount(cell.samples) + "</small>";
      out_ += "</td>";
      if (v == 0) continue;
      out_ += "<td>" + ChangeSpan(cell, row);
      if (cell.change && cell.change->interval) {
        out_ += "<small>" + FormatInterval(*cell.change->interval) + "</small>";
      }
      out_ += "</td>";
    }
    out_ += "</tr>\n";
  }

  void MainSection() {
    Section("main_table");
    TableHead("stage");
    bool use = false;
    for (const TableRow* row : MainTable(analysis_)) {
      std::string css = row->key == "http_total" ? "strong" : "";
      if (row->unit == Unit::kShare) {
        css = use ? "use" : "use first-use";
        use = true;
      }
      Row(*row, css);
    }
    EndTable();
    if (!analysis_.variants.empty()) Note(Filled("main_note", {analysis_.variants[0]}));
    Note(T("overlap_note"));
    EndSection();
  }

  void Where() {
    const std::string chart = PathChart(analysis_, language_);
    if (chart.empty()) return;
    Section("where");
    out_ += "<ul class=\"legend\">";
    for (const PathKey& key : PathLegend(analysis_, language_)) {
      out_ += "<li><i class=\"box p" + std::to_string(key.color) + "\"></i>" + EscapeHtml(key.name) + "</li>";
    }
    out_ += "</ul>\n<div class=\"path\">" + chart + "</div>\n";
    std::string accounted;
    for (size_t v = 0; v < analysis_.facts.size(); ++v) {
      if (analysis_.facts[v].path_total_ms <= 0) continue;
      accounted += (accounted.empty() ? "" : ", ") + analysis_.variants[v] + " " +
                   FormatPercent(analysis_.facts[v].accounted);
    }
    Note(Filled("where_note", {accounted}));
    EndSection();
  }

  void Findings() {
    Section("findings");
    out_ += "<ul class=\"findings\">\n";
    for (size_t i = 1; i < analysis_.findings.size(); ++i) {
      const Finding::Kind kind = analysis_.findings[i].kind;
      if (kind == Finding::Kind::kBad || kind == Finding::Kind::kWarning) continue;  // they stand at the top
      out_ += "<li>" + EscapeHtml(FindingText(analysis_.findings[i], language_)) + "</li>\n";
    }
    out_ += "</ul>\n";
    EndSection();
  }

  void Throughput() {
    Section("throughput");
    TableHead("throughput");
    for (const TableRow& row : analysis_.rates) Row(row, "");
    EndTable();
    out_ += "<div class=\"scroll\"><table>\n<thead><tr><th></th>";
    for (size_t v = 0; v < analysis_.variants.size(); ++v) out_ += "<th class=\"own\">" + Name(v) + "</th>";
    out_ += "</tr></thead>\n<tbody>\n";
    for (const SummaryRow& row : SummaryRows(data_, analysis_, language_)) {
      out_ += "<tr><th>" + EscapeHtml(row.label) + "</th>";
      for (size_t v = 0; v < row.cells.size(); ++v) {
        out_ += std::string("<td") + (row.alarming[v] ? " class=\"bad\"" : "") + ">" +
                EscapeHtml(row.cells[v]) + "</td>";
      }
      out_ += "</tr>\n";
    }
    EndTable();
    Trials();
    EndSection();
  }

  void Trials() {
    for (const Variant& variant : data_.variants) {
      for (const Capacity& capacity : variant.capacity) {
        out_ += "<p class=\"note\">" + EscapeHtml(variant.name) + ", " + T("trials") + " (" +
                EscapeHtml(capacity.objective) + "): ";
        bool first = true;
        for (const Capacity::Trial& trial : capacity.trials) {
          out_ += (first ? "" : "; ") + FormatNumber(trial.requests_per_s) + " " + T("row_requests_per_s") +
                  " → " + FormatNumber(trial.value_ms) + " ms, " + T(trial.kept ? "kept" : "missed");
          first = false;
        }
        out_ += "</p>\n";
      }
    }
  }

  void Legend() {
    out_ += "<ul class=\"legend\">";
    for (size_t v = 0; v < analysis_.variants.size(); ++v) {
      const std::string color = std::to_string(v % kSeriesColors);
      out_ += "<li><i class=\"s" + color + " dash" + color + "\"></i>" + Name(v) + "</li>";
    }
    out_ += "</ul>\n";
  }

  void Charts(std::string_view heading, std::string_view note, const std::vector<Chart>& charts,
              bool legend) {
    if (charts.empty()) return;
    Section(heading);
    if (legend) Legend();
    out_ += "<div class=\"charts\">\n";
    for (const Chart& chart : charts) {
      out_ += "<div><h3>" + EscapeHtml(chart.heading) + "</h3>" + chart.svg + "</div>\n";
    }
    out_ += "</div>\n";
    Note(T(note));
    EndSection();
  }

  void AllStages() {
    Section("all_stages");
    out_ += "<div class=\"switch\">\n";
    for (size_t q = 0; q < kQuantiles.size(); ++q) {
      const std::string number = std::to_string(q);
      out_ += "<input type=\"radio\" name=\"quantile\" id=\"q" + number + "\"" +
              (q == kP95 ? " checked=\"checked\"" : "") + "/><label for=\"q" + number + "\">" +
              QuantileName(q) + "</label>\n";
    }
    for (size_t q = 0; q < kQuantiles.size(); ++q) {
      out_ += "<div class=\"panel panel" + std::to_string(q) + "\"><h3>" + QuantileName(q) + ", ms</h3>";
      TableHead("stage");
      for (const TableRow& row : analysis_.stages[q]) {
        if (HasFigures(row)) Row(row, row.key == "http_total" ? "strong" : "");
      }
      EndTable();
      out_ += "</div>\n";
    }
    out_ += "</div>\n";
    EndSection();
  }
  static std::string QuantileName(size_t q) { return "p" + std::to_string(std::lround(kQuantiles[q] * 100)); }

  void LogTails() {
    std::string tails;
    for (const Variant& variant : data_.variants) {
      for (const Run& run : variant.runs) {
        if (run.failure.empty()) continue;
        tails += "<h3>" + EscapeHtml(variant.name) + " · " + EscapeHtml(run.failure) + "</h3>\n";
        if (run.log_tail.empty()) continue;
        tails += "<p class=\"note\">" + T("log_tail") + "</p>\n<pre>";
        for (const std::string& line : run.log_tail) tails += EscapeHtml(line) + "\n";
        tails += "</pre>\n";
      }
    }
    if (tails.empty()) return;
    Section("failures");
    out_ += tails;
    EndSection();
  }

  void Entry(const std::string& name, const std::string& value) {
    out_ += "<dt>" + name + "</dt><dd>" + value + "</dd>\n";
  }

  void Method() {
    Section("method");
    out_ += "<p>" + Filled("method_text", {std::to_string(kResamples), std::to_string(data_.seed)}) +
            "</p>\n<dl>\n";
    Entry(T("created"), EscapeHtml(data_.created));
    Entry(T("command"), "<code>" + EscapeHtml(JoinCommand(data_.command)) + "</code>");
    for (const auto& [name, value] : data_.options) Entry(EscapeHtml(name), EscapeHtml(value));
    Entry(T("machine"), "<code>" + EscapeHtml(data_.machine_json) + "</code>");
    std::string versions;
    for (const auto& [name, value] : data_.versions) {
      versions += (versions.empty() ? "" : " · ") + EscapeHtml(name + " " + value);
    }
    Entry(T("versions"), versions);
    std::string servers;
    for (const Variant& variant : data_.variants) {
      servers += EscapeHtml(variant.name) + "<pre>" + EscapeHtml(JoinCommand(variant.command)) + "</pre>";
    }
    Entry(T("commands_servers"), servers);
    out_ += "</dl>\n";
    EndSection();
  }

  const ExperimentData& data_;
  const Analysis& analysis_;
  Language language_;
  std::string out_;
};

}  // namespace

std::string ReportHtml(const ExperimentData& data, const Analysis& analysis, Language language) {
  return Page(data, analysis, language).Write();
}
std::string ReportHtml(const ExperimentData& data, Language language) {
  return ReportHtml(data, Analyse(data), language);
}

}  // namespace photovec::experiment
