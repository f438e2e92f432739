// SPDX-License-Identifier: MIT
#include <boost/json.hpp>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "base/json/reader.h"
#include "experiment/report/json_columns.h"
#include "experiment/report/report.h"

namespace photovec::experiment {
namespace {

namespace bjson = boost::json;

// The first thing that is wrong with a report. Reading goes on after it with default values, which nobody
// sees.
class Trouble {
 public:
  void Report(const std::string& path, std::string_view what) {
    if (text_.empty()) text_ = path + " " + std::string(what);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// An object of the report, and where it stands.
class Fields {
 public:
  Fields(const bjson::value* value, std::string path, Trouble& trouble)
      : path_(std::move(path)), trouble_(&trouble) {
    if (value != nullptr) object_ = value->if_object();
    if (object_ == nullptr) trouble_->Report(path_, "is missing or no object");
  }

  const bjson::value* Find(std::string_view key) const {
    return object_ == nullptr ? nullptr : object_->if_contains(key);
  }
  std::string Path(std::string_view key) const {
    return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
  }
  Fields Object(std::string_view key) const { return {Find(key), Path(key), *trouble_}; }
  Trouble& trouble() const { return *trouble_; }

  std::string Text(std::string_view key) const { return AsText(Find(key), Path(key)); }
  bool Bool(std::string_view key) const {
    const bjson::value* value = Find(key);
    if (value != nullptr && value->is_bool()) return value->get_bool();
    trouble_->Report(Path(key), "is missing or neither true nor false");
    return false;
  }
  int64_t Integer(std::string_view key) const { return AsInteger(Find(key), Path(key)); }
  uint64_t Unsigned(std::string_view key) const {
    const bjson::value* value = Find(key);
    if (value != nullptr && value->is_uint64()) return value->get_uint64();
    return static_cast<uint64_t>(AsInteger(value, Path(key)));
  }
  const bjson::array& Array(std::string_view key) const { return AsArray(Find(key), Path(key)); }

  std::vector<std::string> Texts(std::string_view key) const {
    std::vector<std::string> texts;
    for (const bjson::value& value : Array(key)) texts.push_back(AsText(&value, Path(key)));
    return texts;
  }
  std::vector<std::pair<std::string, std::string>> Pairs(std::string_view key) const {
    std::vector<std::pair<std::string, std::string>> pairs;
    for (const bjson::value& value : Array(key)) {
      const bjson::array& pair = AsArray(&value, Path(key));
      if (pair.size() != 2) {
        trouble_->Report(Path(key), "holds an entry that is no pair");
        continue;
      }
      pairs.emplace_back(AsText(pair.data(), Path(key)), AsText(pair.data() + 1, Path(key)));
    }
    return pairs;
  }

  /// The column as integers; `fallback` for each entry when it is left out.
  std::vector<int64_t> Column(std::string_view key, size_t count, int64_t fallback) const {
    const bjson::value* value = Find(key);
    std::vector<int64_t> column(count, fallback);
    if (value == nullptr) return column;
    const bjson::array& array = AsArray(value, Path(key));
    if (array.size() != count) {
      trouble_->Report(Path(key),
                       "has " + std::to_string(array.size()) + " entries, not " + std::to_string(count));
      return column;
    }
    for (size_t i = 0; i < count; ++i) column[i] = AsInteger(&array[i], Path(key));
    return column;
  }

 private:
  const bjson::array& AsArray(const bjson::value* value, const std::string& path) const {
    static const bjson::array kEmpty;
    if (value != nullptr && value->is_array()) return value->get_array();
    trouble_->Report(path, "is missing or no array");
    return kEmpty;
  }
  std::string AsText(const bjson::value* value, const std::string& path) const {
    if (value != nullptr && value->is_string()) return std::string(value->get_string());
    trouble_->Report(path, "is missing or no text");
    return "";
  }
  int64_t AsInteger(const bjson::value* value, const std::string& path) const {
    if (value != nullptr && value->is_int64()) return value->get_int64();
    // Beyond int64 only ids and the seed: the bits are the same.
    if (value != nullptr && value->is_uint64()) return static_cast<int64_t>(value->get_uint64());
    trouble_->Report(path, "is missing or no whole number");
    return 0;
  }

  const bjson::object* object_ = nullptr;
  std::string path_;
  Trouble* trouble_;
};

// Far more entries than an experiment can have: a wrong count must not ask for all memory.
constexpr int64_t kMaxEntries = 100'000'000;

size_t ReadCount(const Fields& fields) {
  const int64_t count = fields.Integer("count");
  if (count >= 0 && count <= kMaxEntries) return static_cast<size_t>(count);
  fields.trouble().Report(fields.Path("count"), "must lie between 0 and " + std::to_string(kMaxEntries));
  return 0;
}

template <typename T>
std::vector<T> ReadColumns(const Fields& fields, std::span<const JsonColumn<T>> columns) {
  std::vector<T> rows(ReadCount(fields));
  for (const JsonColumn<T>& column : columns) {
    const auto values = fields.Column(column.name, rows.size(), column.fallback);
    for (size_t i = 0; i < rows.size(); ++i) column.set(rows[i], values[i]);
  }
  return rows;
}

// A column of numbers into a list of texts.
template <typename T>
void ReadTextColumn(const Fields& fields, std::string_view key, const std::vector<std::string>& texts,
                    std::string T::*member, std::vector<T>& rows) {
  const auto values = fields.Column(key, rows.size(), 0);
  for (size_t i = 0; i < rows.size(); ++i) {
    if (values[i] < 0 || static_cast<size_t>(values[i]) >= texts.size()) {
      fields.trouble().Report(fields.Path(key), "names a text that is not listed");
      return;
    }
    rows[i].*member = texts[static_cast<size_t>(values[i])];
  }
}

std::vector<request_log::ItemRecord> ReadItems(const Fields& run) {
  const Fields fields = run.Object("items");
  std::vector<request_log::ItemRecord> items = ReadColumns(fields, ItemColumns());
  ReadTextColumn(fields, "code", run.Texts("codes"), &request_log::ItemRecord::code, items);
  for (size_t k = 0; k < kBorderCount; ++k) {
    const auto values = fields.Column(kBorderColumns[k], items.size(), -1);
    for (size_t i = 0; i < items.size(); ++i) items[i].at_us[k] = values[i];
  }
  for (size_t k = 0; k < kStageCount; ++k) {
    const auto values = fields.Column(StageColumn(k), items.size(), -1);
    for (size_t i = 0; i < items.size(); ++i) items[i].stage_us[k] = values[i];
  }
  return items;
}

void ReadRequests(const Fields& run, Run& out) {
  const Fields fields = run.Object("requests");
  out.requests = ReadColumns(fields, RequestColumns());
  const auto counts = fields.Column("items", out.requests.size(), 0);
  const std::vector<request_log::ItemRecord> items = ReadItems(run);
  size_t next = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] < 0 || static_cast<size_t>(counts[i]) > items.size() - next) {
      fields.trouble().Report(fields.Path("items"), "counts more items than there are");
      return;
    }
    const auto begin = items.begin() + static_cast<std::ptrdiff_t>(next);
    out.requests[i].items.assign(begin, begin + static_cast<std::ptrdiff_t>(counts[i]));
    next += static_cast<size_t>(counts[i]);
  }
  if (next != items.size())
    fields.trouble().Report(fields.Path("items"), "counts fewer items than there are");
}

Run ReadRun(const Fields& fields) {
  Run run;
  for (const JsonColumn<Run>& field : RunFields()) field.set(run, fields.Integer(field.name));
  run.failure = fields.Text("failure");
  run.log_tail = fields.Texts("log_tail");
  ReadRequests(fields, run);
  const Fields client = fields.Object("client");
  run.client = ReadColumns(client, ClientColumns());
  ReadTextColumn(client, "error", fields.Texts("errors"), &ClientSample::error, run.client);
  run.resources = ReadColumns(fields.Object("resources"), ResourceColumns());
  return run;
}

std::string Indexed(std::string_view list, size_t i) {
  return std::string(list) + "[" + std::to_string(i) + "]";
}

Variant ReadVariant(const Fields& fields) {
  Variant variant;
  variant.name = fields.Text("name");
  variant.settings = fields.Pairs("settings");
  variant.command = fields.Texts("command");
  const bjson::array& capacities = fields.Array("capacity");
  for (size_t i = 0; i < capacities.size(); ++i) {
    const Fields entry(&capacities[i], fields.Path(Indexed("capacity", i)), fields.trouble());
    Capacity capacity;
    capacity.objective = entry.Text("objective");
    capacity.requests_per_s = FromMicro(entry.Integer("requests_per_s"));
    capacity.trials = ReadColumns(entry.Object("trials"), TrialColumns());
    variant.capacity.push_back(std::move(capacity));
  }
  const bjson::array& runs = fields.Array("runs");
  for (size_t i = 0; i < runs.size(); ++i) {
    variant.runs.push_back(ReadRun({&runs[i], fields.Path(Indexed("runs", i)), fields.trouble()}));
  }
  return variant;
}

ExperimentData ReadData(const Fields& fields) {
  ExperimentData data;
  data.created = fields.Text("created");
  data.version = fields.Text("photovec");
  data.seed = fields.Unsigned("seed");
  data.interrupted = fields.Bool("interrupted");
  data.command = fields.Texts("command");
  data.cpus = FromMicro(fields.Integer("cpus"));
  const bjson::value* machine = fields.Find("machine");
  if (machine == nullptr) {
    fields.trouble().Report("machine", "is missing");
  } else {
    data.machine_json =
        machine->is_string() ? std::string(machine->get_string()) : bjson::serialize(*machine);
  }
  const bjson::value* versions = fields.Find("versions");
  const Fields checked = fields.Object("versions");
  if (versions != nullptr && versions->is_object()) {
    for (const auto& entry : versions->get_object()) data.versions[entry.key()] = checked.Text(entry.key());
  }
  data.options = fields.Pairs("options");
  const bjson::array& variants = fields.Array("variants");
  for (size_t i = 0; i < variants.size(); ++i) {
    data.variants.push_back(ReadVariant({&variants[i], Indexed("variants", i), fields.trouble()}));
  }
  return data;
}

Status Wrong(const std::string& name, const std::string& what) {
  return {Code::kInvalidRequest, name + ": " + what};
}

}  // namespace

Result<ExperimentData> ParseReport(std::string_view text, const std::string& name) {
  const Result<bjson::value> parsed = photovec::json::Parse(text);
  if (!parsed.ok()) {
    return Wrong(name, "is no JSON (" + parsed.status().message() +
                           "); was it cut short? Give the report.json of an experiment");
  }
  const bjson::value& root = *parsed;
  const bjson::object* object = root.if_object();
  const bjson::value* format = object == nullptr ? nullptr : object->if_contains("format");
  if (format == nullptr || !format->is_string() || format->get_string() != kReportFormat) {
    return Wrong(name, "is JSON, but no report of `photovec experiment`; give its report.json");
  }
  Trouble trouble;
  const Fields fields(&root, "", trouble);
  const int64_t version = fields.Integer("version");
  if (trouble.text().empty() && version != kReportVersion) {
    return Wrong(name, "has version " + std::to_string(version) +
                           " of the report; this photovec reads version " + std::to_string(kReportVersion));
  }
  ExperimentData data = ReadData(fields);
  if (!trouble.text().empty()) return Wrong(name, trouble.text());
  return data;
}

Result<ExperimentData> ReadReport(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Status{Code::kNotFound, "cannot open " + path + ": " + std::strerror(errno)};
  std::ostringstream text;
  text << file.rdbuf();
  if (file.bad() || text.view().empty()) {
    return Wrong(path, "is empty or cannot be read; give the report.json of an experiment");
  }
  return ParseReport(text.view(), path);
}

}  // namespace photovec::experiment
