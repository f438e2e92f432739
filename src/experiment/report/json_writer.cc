// SPDX-License-Identifier: MIT
#include <algorithm>
#include <boost/json.hpp>
#include <cctype>
#include <charconv>

#include "experiment/report/format.h"
#include "experiment/report/json_columns.h"
#include "experiment/report/report.h"
#include "experiment/report/text.h"

namespace photovec::experiment {
namespace {

// Writes JSON as it goes: a large experiment has tens of millions of figures, too many for a tree of values.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}
  void Open(char bracket) {
    Comma();
    out_ += bracket;
    fresh_ = true;
  }
  void Close(char bracket) {
    out_ += bracket;
    fresh_ = false;
  }
  void Key(std::string_view key) {
    Comma();
    out_ += EscapeJson(key);
    out_ += ':';
    fresh_ = true;
  }
  void Text(std::string_view text) { Raw(EscapeJson(text)); }
  void Integer(int64_t value) { Number(value); }
  void Unsigned(uint64_t value) { Number(value); }
  void Bool(bool value) { Raw(value ? "true" : "false"); }
  void Raw(std::string_view json) {
    Comma();
    out_ += json;
    fresh_ = false;
  }
  // Four digits behind the point are more than any computed figure is worth.
  void Real(double value) {
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%.4f", value);
    Raw(text.data());
  }
  void TextField(std::string_view key, std::string_view text) {
    Key(key);
    Text(text);
  }
  void Texts(std::string_view key, const std::vector<std::string>& texts) {
    Key(key);
    Open('[');
    for (const std::string& text : texts) Text(text);
    Close(']');
  }
  void Pairs(std::string_view key, const std::vector<std::pair<std::string, std::string>>& pairs) {
    Key(key);
    Open('[');
    for (const auto& [name, value] : pairs) {
      Open('[');
      Text(name);
      Text(value);
      Close(']');
    }
    Close(']');
  }

 private:
  template <typename T>
  void Number(T value) {
    Comma();
    std::array<char, 24> text{};
    const auto end = std::to_chars(text.data(), text.data() + text.size(), value);
    out_.append(text.data(), end.ptr);
    fresh_ = false;
  }
  void Comma() {
    if (!fresh_) out_ += ',';
    fresh_ = false;
  }

  std::string& out_;
  bool fresh_ = true;  // nothing stands before the next value that a comma must part it from
};

template <typename T, typename Get>
void WriteColumn(JsonWriter& json, std::string_view name, int64_t fallback, std::span<const T> rows,
                 Get get) {
  const bool needed =
      std::any_of(rows.begin(), rows.end(), [&](const T& row) { return get(row) != fallback; });
  if (!needed) return;
  json.Key(name);
  json.Open('[');
  for (const T& row : rows) json.Integer(get(row));
  json.Close(']');
}

template <typename T>
void WriteColumns(JsonWriter& json, std::span<const JsonColumn<T>> columns, std::span<const T> rows) {
  json.Key("count");
  json.Unsigned(rows.size());
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

void WriteItems(JsonWriter& json, const Run& run) {
  std::vector<request_log::ItemRecord> items;
  for (const request_log::Record& request : run.requests) {
    items.insert(items.end(), request.items.begin(), request.items.end());
  }
  const std::span<const request_log::ItemRecord> rows = items;
  TextIndex codes("ok");
  json.Key("items");
  json.Open('{');
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
  json.Close('}');
  json.Texts("codes", codes.texts());
}

void WriteRun(JsonWriter& json, const Run& run) {
  json.Open('{');
  for (const JsonColumn<Run>& field : RunFields()) {
    json.Key(field.name);
    json.Integer(field.get(run));
  }
  json.TextField("failure", run.failure);
  json.Texts("log_tail", run.log_tail);
  const std::span<const request_log::Record> requests = run.requests;
  json.Key("requests");
  json.Open('{');
  WriteColumns(json, RequestColumns(), requests);
  WriteColumn(json, "items", 0, requests,
              [](const request_log::Record& request) { return static_cast<int64_t>(request.items.size()); });
  json.Close('}');
  WriteItems(json, run);
  TextIndex errors("");
  const std::span<const ClientSample> client = run.client;
  json.Key("client");
  json.Open('{');
  WriteColumns(json, ClientColumns(), client);
  WriteColumn(json, "error", 0, client,
              [&](const ClientSample& sample) { return errors.Number(sample.error); });
  json.Close('}');
  json.Texts("errors", errors.texts());
  json.Key("resources");
  json.Open('{');
  WriteColumns(json, ResourceColumns(), std::span<const ResourceSample>(run.resources));
  json.Close('}');
  json.Close('}');
}

void WriteVariant(JsonWriter& json, const Variant& variant) {
  json.Open('{');
  json.TextField("name", variant.name);
  json.Pairs("settings", variant.settings);
  json.Texts("command", variant.command);
  json.Key("capacity");
  json.Open('[');
  for (const Capacity& capacity : variant.capacity) {
    json.Open('{');
    json.TextField("objective", capacity.objective);
    json.Key("requests_per_s");
    json.Integer(ToMicro(capacity.requests_per_s));
    json.Key("trials");
    json.Open('{');
    WriteColumns(json, TrialColumns(), std::span<const Capacity::Trial>(capacity.trials));
    json.Close('}');
    json.Close('}');
  }
  json.Close(']');
  json.Key("runs");
  json.Open('[');
  for (const Run& run : variant.runs) WriteRun(json, run);
  json.Close(']');
  json.Close('}');
}

// As an object when it is one, so that scripts can read it; written the same way again when it was read.
std::string MachineValue(const std::string& text) {
  boost::json::error_code error;
  const boost::json::value value = boost::json::parse(text, error);
  return !error && value.is_object() ? boost::json::serialize(value) : EscapeJson(text);
}

std::string_view VerdictName(Verdict verdict) {
  constexpr std::array<std::string_view, 4> kNames = {"unknown", "same", "higher", "lower"};
  return kNames[static_cast<size_t>(verdict)];
}

void WriteCell(JsonWriter& json, const Cell& cell) {
  const auto real = [&](std::string_view key, double value) {
    json.Key(key);
    json.Real(value);
  };
  json.Open('{');
  json.Key("samples");
  json.Unsigned(cell.samples);
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
    json.TextField("verdict", VerdictName(cell.change->verdict));
  }
  json.Close('}');
}

void WriteTable(JsonWriter& json, std::string_view key, const std::vector<TableRow>& rows) {
  json.Key(key);
  json.Open('{');
  for (const TableRow& row : rows) {
    json.Key(row.key);
    json.Open('[');
    for (const Cell& cell : row.cells) WriteCell(json, cell);
    json.Close(']');
  }
  json.Close('}');
}

void WriteFacts(JsonWriter& json, const Analysis& analysis) {
  json.Key("variants");
  json.Open('[');
  for (size_t v = 0; v < analysis.variants.size(); ++v) {
    const VariantFacts& facts = analysis.facts[v];
    json.Open('{');
    json.TextField("name", analysis.variants[v]);
    const std::pair<std::string_view, size_t> counts[] = {
        {"whole_runs", facts.whole_runs}, {"failed_runs", facts.failed_runs},
        {"requests", facts.requests},     {"failed_requests", facts.failed_requests},
        {"images", facts.images},         {"failed_images", facts.failed_images}};
    for (const auto& [name, count] : counts) {
      json.Key(name);
      json.Unsigned(count);
    }
    const std::pair<std::string_view, double> shares[] = {{"load_share", facts.load_share},
                                                          {"store_share", facts.store_share},
                                                          {"spread", facts.spread},
                                                          {"tail", facts.tail},
                                                          {"accounted", facts.accounted}};
    for (const auto& [name, share] : shares) {
      json.Key(name);
      json.Real(share);
    }
    json.Key("path_ms");
    json.Open('{');
    for (const PathMean& part : facts.path) {
      json.Key(part.name);
      json.Real(part.ms);
    }
    json.Close('}');
    json.Key("batches");
    json.Open('{');
    for (const auto& [size, count] : analysis.figures[v].batches) {
      json.Key(std::to_string(size));
      json.Unsigned(count);
    }
    json.Close('}');
    json.Close('}');
  }
  json.Close(']');
}

void WriteComputed(JsonWriter& json, const Analysis& analysis) {
  json.Key("computed");
  json.Open('{');
  json.Key("tables");
  json.Open('{');
  constexpr std::array<std::string_view, kQuantiles.size()> kNames = {"p50", "p95", "p99"};
  for (size_t q = 0; q < kQuantiles.size(); ++q) WriteTable(json, kNames[q], analysis.stages[q]);
  WriteTable(json, "usage", analysis.usage);
  WriteTable(json, "rates", analysis.rates);
  json.Close('}');
  WriteFacts(json, analysis);
  json.Key("findings");
  json.Open('[');
  for (const Finding& finding : analysis.findings) {
    json.Open('{');
    json.TextField("key", finding.key);
    if (finding.variant >= 0) {
      json.TextField("variant", analysis.variants[static_cast<size_t>(finding.variant)]);
    }
    json.TextField("text", FindingText(finding, Language::kEnglish));
    json.Close('}');
  }
  json.Close(']');
  json.Close('}');
}

}  // namespace

std::string ReportJson(const ExperimentData& data, const Analysis& analysis) {
  std::string out;
  JsonWriter json(out);
  json.Open('{');
  json.TextField("format", kReportFormat);
  json.Key("version");
  json.Integer(kReportVersion);
  json.TextField("created", data.created);
  json.TextField("photovec", data.version);
  json.Key("seed");
  json.Unsigned(data.seed);
  json.Key("interrupted");
  json.Bool(data.interrupted);
  json.Texts("command", data.command);
  json.Key("cpus");
  json.Integer(ToMicro(data.cpus));
  json.Key("machine");
  json.Raw(MachineValue(data.machine_json));
  json.Key("versions");
  json.Open('{');
  for (const auto& [name, version] : data.versions) json.TextField(name, version);
  json.Close('}');
  json.Pairs("options", data.options);
  json.Key("variants");
  json.Open('[');
  for (const Variant& variant : data.variants) WriteVariant(json, variant);
  json.Close(']');
  WriteComputed(json, analysis);
  json.Close('}');
  out += '\n';
  return out;
}

std::string ReportJson(const ExperimentData& data) { return ReportJson(data, Analyse(data)); }

}  // namespace photovec::experiment
