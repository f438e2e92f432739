// SPDX-License-Identifier: MIT
#include <algorithm>
#include <boost/json.hpp>

#include "base/json/writer.h"
#include "experiment/report/json_columns.h"
#include "experiment/report/report.h"
#include "experiment/report/text.h"

namespace photovec::experiment {
namespace {

// Four digits behind the point are more than any computed figure is worth.
constexpr int kDigits = 4;

void WriteTexts(json::Writer& json, std::string_view key, const std::vector<std::string>& texts) {
  json.Key(key).BeginArray();
  for (const std::string& text : texts) json.Value(text);
  json.EndArray();
}

void WritePairs(json::Writer& json, std::string_view key,
                const std::vector<std::pair<std::string, std::string>>& pairs) {
  json.Key(key).BeginArray();
  for (const auto& [name, value] : pairs) json.BeginArray().Value(name).Value(value).EndArray();
  json.EndArray();
}

template <typename T, typename Get>
void WriteColumn(json::Writer& json, std::string_view name, int64_t fallback, std::span<const T> rows,
                 Get get) {
  const bool needed =
      std::any_of(rows.begin(), rows.end(), [&](const T& row) { return get(row) != fallback; });
  if (!needed) return;
  json.Key(name).BeginArray();
  for (const T& row : rows) json.Value(get(row));
  json.EndArray();
}

template <typename T>
void WriteColumns(json::Writer& json, std::span<const JsonColumn<T>> columns, std::span<const T> rows) {
  json.Field("count", rows.size());
  for (const JsonColumn<T>& column : columns) {
    WriteColumn(json, column.name, column.fallback, rows, column.get);
  }
}

// Texts that repeat, each once; columns hold their numbers.
class TextIndex {
 public:
  explicit TextIndex(std::string first) { Number(first); }
  int64_t Number(const std::string& text) {
    const auto [at, added] = numbers_.emplace(text, static_cast<int64_t>(texts_.size()));
    if (added) texts_.push_back(text);
    return at->second;
  }
  const std::vector<std::string>& texts() const { return texts_; }

 private:
  std::map<std::string, int64_t> numbers_;
  std::vector<std::string> texts_;
};

void WriteItems(json::Writer& json, const Run& run) {
  std::vector<request_log::ItemRecord> items;
  for (const request_log::Record& request : run.requests) {
    items.insert(items.end(), request.items.begin(), request.items.end());
  }
  const std::span<const request_log::ItemRecord> rows = items;
  TextIndex codes("ok");
  json.Key("items").BeginObject();
  WriteColumns(json, ItemColumns(), rows);
  WriteColumn(json, "code", 0, rows,
              [&](const request_log::ItemRecord& item) { return codes.Number(item.code); });
  for (size_t i = 0; i < kBorderCount; ++i) {
    WriteColumn(json, kBorderColumns[i], -1, rows,
                [i](const request_log::ItemRecord& item) { return item.at_us[i]; });
  }
  for (size_t i = 0; i < kStageCount; ++i) {
    WriteColumn(json, StageColumn(i), -1, rows,
                [i](const request_log::ItemRecord& item) { return item.stage_us[i]; });
  }
  json.EndObject();
  WriteTexts(json, "codes", codes.texts());
}

void WriteRun(json::Writer& json, const Run& run) {
  json.BeginObject();
  for (const JsonColumn<Run>& field : RunFields()) {
    json.Field(field.name, field.get(run));
  }
  json.Field("failure", run.failure);
  WriteTexts(json, "log_tail", run.log_tail);
  const std::span<const request_log::Record> requests = run.requests;
  json.Key("requests").BeginObject();
  WriteColumns(json, RequestColumns(), requests);
  WriteColumn(json, "items", 0, requests,
              [](const request_log::Record& request) { return static_cast<int64_t>(request.items.size()); });
  json.EndObject();
  WriteItems(json, run);
  TextIndex errors("");
  const std::span<const ClientSample> client = run.client;
  json.Key("client").BeginObject();
  WriteColumns(json, ClientColumns(), client);
  WriteColumn(json, "error", 0, client,
              [&](const ClientSample& sample) { return errors.Number(sample.error); });
  json.EndObject();
  WriteTexts(json, "errors", errors.texts());
  json.Key("resources").BeginObject();
  WriteColumns(json, ResourceColumns(), std::span<const ResourceSample>(run.resources));
  json.EndObject();
  json.EndObject();
}

void WriteVariant(json::Writer& json, const Variant& variant) {
  json.BeginObject();
  json.Field("name", variant.name);
  WritePairs(json, "settings", variant.settings);
  WriteTexts(json, "command", variant.command);
  json.Key("capacity").BeginArray();
  for (const Capacity& capacity : variant.capacity) {
    json.BeginObject();
    json.Field("objective", capacity.objective);
    json.Field("requests_per_s", ToMicro(capacity.requests_per_s));
    json.Key("trials").BeginObject();
    WriteColumns(json, TrialColumns(), std::span<const Capacity::Trial>(capacity.trials));
    json.EndObject();
    json.EndObject();
  }
  json.EndArray();
  json.Key("runs").BeginArray();
  for (const Run& run : variant.runs) WriteRun(json, run);
  json.EndArray();
  json.EndObject();
}

// As an object when it is one, so that scripts can read it; written the same way again when it was read.
std::string MachineValue(const std::string& text) {
  boost::json::error_code error;
  const boost::json::value value = boost::json::parse(text, error);
  return !error && value.is_object() ? boost::json::serialize(value) : json::String(text);
}

std::string_view VerdictName(Verdict verdict) {
  constexpr std::array<std::string_view, 4> kNames = {"unknown", "same", "higher", "lower"};
  return kNames[static_cast<size_t>(verdict)];
}

void WriteCell(json::Writer& json, const Cell& cell) {
  const auto real = [&](std::string_view key, double value) { json.Field(key, value, kDigits); };
  json.BeginObject();
  json.Field("samples", cell.samples);
  if (cell.samples > 0) real("value", cell.value);
  if (cell.interval) {
    real("low", cell.interval->low);
    real("high", cell.interval->high);
  }
  if (cell.change) {
    real("change", cell.change->rate);
    if (cell.change->interval) {
      real("change_low", cell.change->interval->low);
      real("change_high", cell.change->interval->high);
    }
    json.Field("verdict", VerdictName(cell.change->verdict));
  }
  json.EndObject();
}

void WriteTable(json::Writer& json, std::string_view key, const std::vector<TableRow>& rows) {
  json.Key(key).BeginObject();
  for (const TableRow& row : rows) {
    json.Key(row.key).BeginArray();
    for (const Cell& cell : row.cells) WriteCell(json, cell);
    json.EndArray();
  }
  json.EndObject();
}

void WriteFacts(json::Writer& json, const Analysis& analysis) {
  json.Key("variants").BeginArray();
  for (size_t v = 0; v < analysis.variants.size(); ++v) {
    const VariantFacts& facts = analysis.facts[v];
    json.BeginObject();
    json.Field("name", analysis.variants[v]);
    const std::pair<std::string_view, size_t> counts[] = {
        {"whole_runs", facts.whole_runs}, {"failed_runs", facts.failed_runs},
        {"requests", facts.requests},     {"failed_requests", facts.failed_requests},
        {"images", facts.images},         {"failed_images", facts.failed_images}};
    for (const auto& [name, count] : counts) {
      json.Field(name, count);
    }
    const std::pair<std::string_view, double> shares[] = {{"load_share", facts.load_share},
                                                          {"store_share", facts.store_share},
                                                          {"spread", facts.spread},
                                                          {"tail", facts.tail},
                                                          {"accounted", facts.accounted}};
    for (const auto& [name, share] : shares) {
      json.Field(name, share, kDigits);
    }
    json.Key("path_ms").BeginObject();
    for (const PathMean& part : facts.path) {
      json.Field(part.name, part.ms, kDigits);
    }
    json.EndObject();
    json.Key("batches").BeginObject();
    for (const auto& [size, count] : analysis.figures[v].batches) {
      json.Field(std::to_string(size), count);
    }
    json.EndObject();
    json.EndObject();
  }
  json.EndArray();
}

void WriteComputed(json::Writer& json, const Analysis& analysis) {
  json.Key("computed").BeginObject();
  json.Key("tables").BeginObject();
  constexpr std::array<std::string_view, kQuantiles.size()> kNames = {"p50", "p95", "p99"};
  for (size_t q = 0; q < kQuantiles.size(); ++q) WriteTable(json, kNames[q], analysis.stages[q]);
  WriteTable(json, "usage", analysis.usage);
  WriteTable(json, "rates", analysis.rates);
  json.EndObject();
  WriteFacts(json, analysis);
  json.Key("findings").BeginArray();
  for (const Finding& finding : analysis.findings) {
    json.BeginObject();
    json.Field("key", finding.key);
    if (finding.variant >= 0) {
      json.Field("variant", analysis.variants[static_cast<size_t>(finding.variant)]);
    }
    json.Field("text", FindingText(finding, Language::kEnglish));
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
}

}  // namespace

std::string ReportJson(const ExperimentData& data, const Analysis& analysis) {
  std::string out;
  json::Writer json(out);
  json.BeginObject();
  json.Field("format", kReportFormat);
  json.Field("version", kReportVersion);
  json.Field("created", data.created);
  json.Field("photovec", data.version);
  json.Field("seed", data.seed);
  json.Field("interrupted", data.interrupted);
  WriteTexts(json, "command", data.command);
  json.Field("cpus", ToMicro(data.cpus));
  json.Key("machine").Raw(MachineValue(data.machine_json));
  json.Key("versions").BeginObject();
  for (const auto& [name, version] : data.versions) json.Field(name, version);
  json.EndObject();
  WritePairs(json, "options", data.options);
  json.Key("variants").BeginArray();
  for (const Variant& variant : data.variants) WriteVariant(json, variant);
  json.EndArray();
  WriteComputed(json, analysis);
  json.EndObject();
  out += '\n';
  return out;
}

std::string ReportJson(const ExperimentData& data) { return ReportJson(data, Analyse(data)); }

}  // namespace photovec::experiment
