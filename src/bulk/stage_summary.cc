// SPDX-License-Identifier: MIT
#include "bulk/stage_summary.h"

#include <cstdio>
#include <string_view>

#include "base/json/writer.h"

namespace photovec::bulk {
namespace {

std::string_view RowName(int row) {
  return row < kStageCount ? StageName(static_cast<Stage>(row)) : std::string_view("total");
}

std::string Line(std::string_view name, const Histogram& histogram) {
  char line[256];
  std::snprintf(line, sizeof(line), "%-14.*s %10llu %9.2f %9.2f %9.2f %9.2f\n", static_cast<int>(name.size()),
                name.data(), static_cast<unsigned long long>(histogram.count()), histogram.mean() / 1e3,
                histogram.Quantile(0.5) / 1e3, histogram.Quantile(0.95) / 1e3,
                static_cast<double>(histogram.max()) / 1e3);
  return line;
}

}  // namespace

StageSummary::StageSummary() {
  for (auto& histogram : micros_) histogram = std::make_unique<Histogram>();
}

void StageSummary::Add(const Status& status, const StageTimes& times) {
  ++images_;
  if (!status.ok()) {
    ++failed_;
    ++failures_[std::string(status.name())];
    if (first_failure_.empty()) first_failure_ = status.message();
  }
  for (int stage = 0; stage < kStageCount; ++stage) {
    const int64_t micros = times.Micros(static_cast<Stage>(stage));
    if (micros >= 0) micros_[static_cast<size_t>(stage)]->Record(micros);
  }
  if (times.Has(Border::kAdmitted) && times.Has(Border::kCollected)) {
    micros_[kStageCount]->Record(MicrosBetween(times.At(Border::kAdmitted), times.At(Border::kCollected)));
  }
}

void StageSummary::AddEarlier(int64_t images, const std::map<std::string, int64_t>& failures) {
  images_ += images;
  for (const auto& [code, count] : failures) {
    failed_ += count;
    failures_[code] += count;
  }
}

int64_t StageSummary::unreadable() const {
  int64_t sum = 0;
  for (const Code code : {Code::kNotFound, Code::kUnavailable, Code::kSourceFailed}) {
    const auto found = failures_.find(std::string(CodeName(code)));
    if (found != failures_.end()) sum += found->second;
  }
  return sum;
}

std::string StageSummary::Table() const {
  std::string out = "stage               items   mean ms    p50 ms    p95 ms    max ms\n";
  for (int row = 0; row < kRows; ++row) {
    const Histogram& histogram = *micros_[static_cast<size_t>(row)];
    if (histogram.count() > 0) out += Line(RowName(row), histogram);
  }
  return out;
}

std::string StageSummary::Json() const {
  std::string out;
  json::Writer writer(out);
  writer.BeginObject();
  for (int row = 0; row < kRows; ++row) {
    const Histogram& histogram = *micros_[static_cast<size_t>(row)];
    writer.Key(RowName(row)).BeginObject().Field("count", histogram.count());
    writer.Field("mean_ms", histogram.mean() / 1e3, 3).Field("p50_ms", histogram.Quantile(0.5) / 1e3, 3);
    writer.Field("p95_ms", histogram.Quantile(0.95) / 1e3, 3);
    writer.Field("max_ms", static_cast<double>(histogram.max()) / 1e3, 3).EndObject();
  }
  writer.EndObject();
  return out;
}

std::string StageSummary::FailuresText() const {
  std::string out;
  for (const auto& [code, count] : failures_) {
    out += (out.empty() ? "" : ", ") + code + " " + std::to_string(count);
  }
  return out.empty() ? "none" : out;
}

}  // namespace photovec::bulk
