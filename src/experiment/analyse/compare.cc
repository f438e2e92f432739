// SPDX-License-Identifier: MIT
#include "experiment/analyse/compare.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "experiment/analyse/estimates.h"
#include "experiment/report/format.h"
#include "experiment/report/plain_table.h"
#include "experiment/report/text.h"

namespace photovec::experiment {
namespace {

using Pair = std::pair<const Variant*, const Variant*>;

const Variant* FindVariant(const ExperimentData& data, const std::string& name) {
  for (const Variant& variant : data.variants) {
    if (variant.name == name) return &variant;
  }
  return nullptr;
}

std::string Names(const ExperimentData& data) {
  std::string names;
  for (const Variant& variant : data.variants) names += (names.empty() ? "'" : ", '") + variant.name + "'";
  return names.empty() ? "none" : names;
}

std::string BothNames(const ExperimentData& before, const ExperimentData& after) {
  return "the first report has " + Names(before) + ", the second " + Names(after);
}

Result<std::vector<Pair>> MatchVariants(const ExperimentData& before, const ExperimentData& after,
                                        const std::string& wanted, std::vector<std::string>& notes) {
  std::vector<Pair> pairs;
  if (!wanted.empty()) {
    const Variant* first = FindVariant(before, wanted);
    const Variant* second = FindVariant(after, wanted);
    if (first == nullptr || second == nullptr) {
      return Status{Code::kInvalidRequest,
                    "variant '" + wanted + "' is not in both reports: " + BothNames(before, after)};
    }
    pairs.emplace_back(first, second);
    return pairs;
  }
  for (const Variant& variant : before.variants) {
    if (const Variant* other = FindVariant(after, variant.name)) {
      pairs.emplace_back(&variant, other);
    } else {
      notes.push_back("variant '" + variant.name + "' is only in the first report");
    }
  }
  for (const Variant& variant : after.variants) {
    if (FindVariant(before, variant.name) == nullptr) {
      notes.push_back("variant '" + variant.name + "' is only in the second report");
    }
  }
  if (pairs.empty() && before.variants.size() == 1 && after.variants.size() == 1) {
    pairs.emplace_back(before.variants.data(), after.variants.data());
  }
  if (pairs.empty()) {
    return Status{Code::kInvalidRequest, "no variant is in both reports: " + BothNames(before, after)};
  }
  return pairs;
}

void NoteDifference(std::string_view what, const std::string& before, const std::string& after,
                    std::vector<std::string>& notes) {
  if (before == after) return;
  const auto shown = [](const std::string& text) { return text.empty() ? std::string("none") : text; };
  notes.push_back(std::string(what) + " differs: " + shown(before) + " -> " + shown(after));
}

template <typename Pairs>
void NoteDifferences(std::string_view what, const Pairs& before, const Pairs& after,
                     std::vector<std::string>& notes) {
  const std::map<std::string, std::string> first(before.begin(), before.end());
  const std::map<std::string, std::string> second(after.begin(), after.end());
  std::set<std::string> names;
  for (const auto& [name, value] : first) names.insert(name);
  for (const auto& [name, value] : second) names.insert(name);
  const auto value_of = [](const std::map<std::string, std::string>& from, const std::string& name) {
    const auto at = from.find(name);
    return at == from.end() ? std::string() : at->second;
  };
  for (const std::string& name : names) {
    NoteDifference(std::string(what) + " " + name, value_of(first, name), value_of(second, name), notes);
  }
}

struct Failures {
  size_t requests = 0;
  size_t images = 0;
  size_t runs = 0;
};
Failures CountFailures(const Variant& variant) {
  Failures failures;
  for (const Run& run : variant.runs) {
    if (!run.failure.empty()) {
      ++failures.runs;
      continue;
    }
    for (const ClientSample& sample : run.client) {
      if (!Succeeded(sample)) ++failures.requests;
      failures.images += static_cast<size_t>(std::max(sample.failed_images, 0));
    }
  }
  return failures;
}

void NoteFailures(const Variant& variant, std::string_view which, std::vector<std::string>& notes) {
  const Failures failures = CountFailures(variant);
  if (failures.requests + failures.images + failures.runs == 0) return;
  notes.push_back("'" + variant.name + "' of the " + std::string(which) +
                  " report: " + FormatCount(failures.requests) + " requests and " +
                  FormatCount(failures.images) + " images failed, " + FormatCount(failures.runs) +
                  " runs were not whole; none is in the figures");
}

bool Regressed(const ComparedRow& row, double threshold) {
  if (!row.after.change || !row.after.change->interval) return false;
  const Change& change = *row.after.change;
  if (row.better == Better::kHigher) return change.interval->high < 0 && change.rate < -threshold;
  const bool noticeable =
      row.unit != Unit::kMilliseconds || row.after.value - row.before.value >= kNoticeableMs;
  return row.better == Better::kLower && change.interval->low > 0 && change.rate > threshold && noticeable;
}

ComparedVariant CompareVariants(const Pair& pair, const ExperimentData& before, const ExperimentData& after,
                                double threshold) {
  // Seeds of their own: resamples of the two must not go together, even of the same report.
  const VariantEstimates first =
      EstimateVariant(CollectFigures(*pair.first, before.cpus), before.seed * 2 + 1);
  const VariantEstimates second =
      EstimateVariant(CollectFigures(*pair.second, after.cpus), after.seed * 2 + 2);
  ComparedVariant result;
  result.name = pair.first->name == pair.second->name ? pair.first->name
                                                      : pair.first->name + " -> " + pair.second->name;
  const auto add = [&](std::string_view key, Unit unit, Better better, const Estimate& a, const Estimate& b) {
    if (a.samples == 0 && b.samples == 0) return;
    ComparedRow row{key, unit, better, MakeCell(a), MakeCell(b), false};
    if (ChangeRate(a, b)) row.after.change = MakeChange(a, b);
    row.regressed = Regressed(row, threshold);
    result.rows.push_back(row);
  };
  const auto rows = StageRows();
  for (size_t i = 0; i < rows.size(); ++i) {
    add(rows[i].key, Unit::kMilliseconds, Better::kLower, first.stages[i][kP95], second.stages[i][kP95]);
  }
  const auto means = MeanRows();
  for (size_t i = 0; i < means.size(); ++i) {
    add(means[i].key, means[i].unit, means[i].better, first.means[i], second.means[i]);
  }
  return result;
}

}  // namespace

Result<Comparison> Compare(const ExperimentData& before, const ExperimentData& after,
                           const CompareOptions& options) {
  Comparison result;
  ASSIGN_OR_RETURN(const auto pairs, MatchVariants(before, after, options.variant, result.notes));
  NoteDifference("the machine", before.machine_json, after.machine_json, result.notes);
  NoteDifference("the number of CPUs", FormatNumber(before.cpus), FormatNumber(after.cpus), result.notes);
  NoteDifference("photovec", before.version, after.version, result.notes);
  NoteDifferences("version of", before.versions, after.versions, result.notes);
  NoteDifferences("option", before.options, after.options, result.notes);
  bool comparable = false;
  for (const Pair& pair : pairs) {
    NoteFailures(*pair.first, "first", result.notes);
    NoteFailures(*pair.second, "second", result.notes);
    result.variants.push_back(CompareVariants(pair, before, after, options.threshold));
    for (const ComparedRow& row : result.variants.back().rows) {
      comparable = comparable || row.after.change.has_value();
      result.regressed = result.regressed || row.regressed;
    }
  }
  if (!comparable) {
    return Status{Code::kInvalidRequest,
                  "the reports have no figures in common: in one of them no run of the variant is whole"};
  }
  return result;
}

std::string ComparisonText(const Comparison& comparison, const CompareOptions& options) {
  const auto label = [](std::string_view key) {
    std::string text(Text(Language::kEnglish, "row_" + std::string(key)));
    const int index = StageRowIndex(key);
    if (index < 0) return text;
    return text + (StageRows()[static_cast<size_t>(index)].per == Per::kImage ? ", image" : ", request");
  };
  std::string out;
  std::string regressions;
  for (const ComparedVariant& variant : comparison.variants) {
    std::vector<std::vector<std::string>> table = {
        {variant.name + " (p95, ms)", "before", "after", "change", "95% interval", ""}};
    for (const ComparedRow& row : variant.rows) {
      const auto& change = row.after.change;
      table.push_back({label(row.key), FormatCell(row.before, row.unit), FormatCell(row.after, row.unit),
                       change ? FormatChange(*change, Language::kEnglish) : "",
                       change && change->interval ? FormatInterval(*change->interval) : "",
                       row.regressed ? "regressed" : ""});
      if (row.regressed) {
        regressions += (regressions.empty() ? "" : ", ") + variant.name + ": " + label(row.key) + " " +
                       FormatRate(change->rate);
      }
    }
    out += PlainTable(table, {true, false, false, true, true, true}) + "\n";
  }
  for (const std::string& note : comparison.notes) out += "note: " + Printable(note) + "\n";
  const std::string threshold = FormatPercent(options.threshold);
  out += comparison.regressed ? "Regressed by more than " + threshold + ": " + Printable(regressions) + "\n"
                              : "Nothing regressed by more than " + threshold + ".\n";
  return out;
}

}  // namespace photovec::experiment
