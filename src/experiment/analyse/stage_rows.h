// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string_view>
#include <vector>

#include "experiment/analyse/statistics.h"
#include "experiment/run_data.h"

namespace photovec::experiment {

enum class Per : uint8_t { kImage, kRequest };

/// A row of the stage tables. Keys are the names of docs/metrics.md, with "preprocess_request" (all images of
/// a request, one after the other) and "client_total" (as the client saw it, from the intended start)
/// besides.
struct StageRow {
  std::string_view key;
  Per per = Per::kImage;
  bool main = false;  ///< a row of the owners' table
};
/// All rows, in the order of the complete table. The last is client_total.
std::span<const StageRow> StageRows();
/// Keys of the owners' table, in its order.
std::span<const std::string_view> MainRows();
/// Index into StageRows(); -1: no such row.
int StageRowIndex(std::string_view key);

/// All figures of one variant, ready for the statistics. Only whole runs (without a failure) are in it.
struct VariantFigures {
  Layout requests;                  ///< a group is a request in the server's log
  Layout client_requests;           ///< a group is a request as its client saw it
  Layout seconds;                   ///< a group is a second of measured time
  std::vector<Figures> rows;        ///< by StageRows(), milliseconds, sorted the highest first
  Figures machine_cpu;              ///< 0..1; this and the following have seconds as groups
  Figures server_cpu;               ///< 0..1 of the machine
  Figures gpu;                      ///< 0..1
  Figures streams_busy;             ///< 0..1, mean over streams
  Figures images_per_s;             ///< completed
  Figures requests_per_s;           ///< completed
  Figures cpu_ms_per_image;         ///< of the server; one figure a repetition
  std::map<int, uint64_t> batches;  ///< how many batches of each size
};
VariantFigures CollectFigures(const Variant& variant, double cpus);

/// A request whose latency counts: answered with success, and not all of its images failed.
bool Succeeded(const request_log::Record& request);
bool Succeeded(const ClientSample& sample);
/// To a millionth: what report.json keeps of a measured figure, so that tables made from the file are the
/// same.
double Rounded(double value);

}  // namespace photovec::experiment
