// SPDX-License-Identifier: MIT
#include "metrics/stats_json.h"

#include <cmath>

#include "base/json/writer.h"

namespace photovec::metrics {
namespace {

/// The row up to what is said of it; open.
json::Writer Begin(std::string& row, const StatsWriter::Labels& labels) {
  json::Writer writer(row);
  writer.BeginObject().Key("labels").BeginObject();
  for (const auto& [key, value] : labels) writer.Field(key, value);
  writer.EndObject();
  return writer;
}

}  // namespace

void StatsWriter::Add(const std::string& name, const Labels& labels, double value) {
  Begin(rows_[name].emplace_back(), labels).Key("value").Number(value).EndObject();
}

void StatsWriter::Add(const std::string& name, const Labels& labels, const Summary& summary) {
  json::Writer writer = Begin(rows_[name].emplace_back(), labels);
  const std::string unit = summary.milliseconds ? "_ms" : "";
  const auto add = [&](const std::string& key, double value) {
    writer.Key(key + unit).Number(std::round(value * 1e4) / 1e4);  // 0.1 us is below what a quantile can tell
  };
  writer.Field("count", summary.count);
  add("mean", summary.mean);
  add("p50", summary.p50);
  add("p95", summary.p95);
  add("p99", summary.p99);
  add("max", summary.max);
  writer.EndObject();
}

std::string StatsWriter::Finish() const {
  std::string out;
  json::Writer writer(out);
  writer.BeginObject();
  for (const auto& [name, rows] : rows_) {
    writer.Line(2).Key(name).BeginArray();
    for (const std::string& row : rows) writer.Line(4).Raw(row);
    writer.EndArray();
  }
  writer.Line(0).EndObject();
  return out += '\n';
}

}  // namespace photovec::metrics
