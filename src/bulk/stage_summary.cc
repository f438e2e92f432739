// SPDX-License-Identifier: MIT
#include "bulk/stage_summary.h"

#include <cstdio>
#include <string_view>

namespace photovec::bulk {
namespace {

std::string_view RowName(int row) {
  return row < kStageCount ? StageName(static_cast<Stage>(row)) : std::string_view("total");
}

std::string Format(const char* format, std::string_view name, const Histogram& histogram) {
  char line[256];
  std::snprintf(line, sizeof(line), format, static_cast<int>(name.size()), name.data(),
                static_cast<unsigned long long>(histogram.count()), histogram.mean() / 1e3,
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
  }
  for (int stage = 0; stage < kStageCount; ++stage) {
    const int64_t micros = times.Micros(static_cast<Stage>(stage));
    if (micros >= 0) micros_[static_cast<size_t>(stage)]->Record(micros);
  }
  if (times.Has(Border::kAdmitted) && times.Has(Border::kCollected)) {
    micros_[kStageCount]->Record(MicrosBetween(times.At(Border::kAdmitted), times.At(Border::kCollected)));
  }
}

std::string StageSummary::Table() const {
  std::string out = "stage              images   mean ms    p50 ms    p95 ms    max ms\n";
  for (int row = 0; row < kRows; ++row) {
    out +=
        Format("%-14.*s %10llu %9.2f %9.2f %9.2f %9.2f\n", RowName(row), *micros_[static_cast<size_t>(row)]);
  }
  return out;
}

std::string StageSummary::Json() const {
  std::string out = "{";
  for (int row = 0; row < kRows; ++row) {
    out += (row == 0 ? "" : ",") +
           Format(R"("%.*s":{"count":%llu,"mean_ms":%.3f,"p50_ms":%.3f,"p95_ms":%.3f,"max_ms":%.3f})",
                  RowName(row), *micros_[static_cast<size_t>(row)]);
  }
  return out + "}";
}

std::string StageSummary::FailuresText() const {
  std::string out;
  for (const auto& [code, count] : failures_) {
    out += (out.empty() ? "" : ", ") + code + " " + std::to_string(count);
  }
  return out.empty() ? "none" : out;
}

}  // namespace photovec::bulk
