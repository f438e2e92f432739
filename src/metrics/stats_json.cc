// SPDX-License-Identifier: MIT
#include "metrics/stats_json.h"

#include <array>
#include <charconv>
#include <cmath>
#include <string_view>

namespace photovec::metrics {
namespace {

void AppendString(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      (out += '\\') += c;
    } else if (byte < 0x20) {
      ((out += "\\u00") += kHex[byte >> 4]) += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

void AppendNumber(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  std::array<char, 32> text{};
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), value);
  out.append(text.data(), end);
}

void AppendField(std::string& out, std::string_view key, std::string_view suffix, double value) {
  ((((out += ", \"") += key) += suffix) += "\": ");
  AppendNumber(out, std::round(value * 1e4) / 1e4);  // 0.1 us is below what a quantile can tell
}

}  // namespace

std::string& StatsWriter::Open(const std::string& name, const Labels& labels) {
  std::string& out = rows_[name];
  if (!out.empty()) out += ",\n    ";
  out += "{\"labels\": {";
  const char* separator = "";
  for (const auto& [key, value] : labels) {
    out += separator;
    AppendString(out, key);
    out += ": ";
    AppendString(out, value);
    separator = ", ";
  }
  out += '}';
  return out;
}

void StatsWriter::Add(const std::string& name, const Labels& labels, double value) {
  std::string& out = Open(name, labels);
  out += ", \"value\": ";
  AppendNumber(out, value);
  out += '}';
}

void StatsWriter::Add(const std::string& name, const Labels& labels, const Summary& summary) {
  std::string& out = Open(name, labels);
  const std::string_view unit = summary.milliseconds ? "_ms" : "";
  out += ", \"count\": " + std::to_string(summary.count);
  AppendField(out, "mean", unit, summary.mean);
  AppendField(out, "p50", unit, summary.p50);
  AppendField(out, "p95", unit, summary.p95);
  AppendField(out, "p99", unit, summary.p99);
  AppendField(out, "max", unit, summary.max);
  out += '}';
}

std::string StatsWriter::Finish() const {
  std::string out = "{";
  const char* separator = "\n  ";
  for (const auto& [name, rows] : rows_) {
    out += separator;
    AppendString(out, name);
    ((out += ": [\n    ") += rows) += ']';
    separator = ",\n  ";
  }
  return out += "\n}\n";
}

}  // namespace photovec::metrics
