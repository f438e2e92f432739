// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "experiment/run_data.h"

namespace photovec::experiment {

/// A column of report.json: how an integer is read from an entry and written back. Writer and reader go by
/// the same lists, so that they cannot differ.
template <typename T>
struct JsonColumn {
  std::string_view name;
  int64_t fallback;  ///< the value of an entry whose column is left out
  int64_t (*get)(const T&);
  void (*set)(T&, int64_t);
};

/// Real numbers are kept as integers of a millionth.
inline int64_t ToMicro(double value) { return std::llround(value * 1e6); }
inline double FromMicro(int64_t value) { return static_cast<double>(value) / 1e6; }

std::span<const JsonColumn<request_log::Record>> RequestColumns();
std::span<const JsonColumn<request_log::ItemRecord>> ItemColumns();
std::span<const JsonColumn<ClientSample>> ClientColumns();
std::span<const JsonColumn<ResourceSample>> ResourceColumns();
std::span<const JsonColumn<Capacity::Trial>> TrialColumns();
std::span<const JsonColumn<Run>> RunFields();

/// Names of the columns of ItemRecord's two arrays.
inline constexpr std::array<std::string_view, kBorderCount> kBorderColumns = {
    "at_admitted_us",     "at_fetch_start_us", "at_fetch_end_us",
    "at_decode_start_us", "at_decode_end_us",  "at_preprocess_end_us",
    "at_encode_start_us", "at_encode_end_us",  "at_collected_us"};
inline std::string StageColumn(size_t stage) {
  return std::string(StageName(static_cast<Stage>(stage))) + "_us";
}

inline constexpr std::string_view kReportFormat = "photovec-experiment";
inline constexpr int64_t kReportVersion = 1;

}  // namespace photovec::experiment
