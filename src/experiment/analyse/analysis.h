// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "experiment/analyse/stage_rows.h"
#include "experiment/analyse/statistics.h"
#include "experiment/run_data.h"

namespace photovec::experiment {

/// What a change rate and its interval allow to say.
enum class Verdict : uint8_t {
  kUnknown,  ///< no interval: too few figures
  kSame,     ///< the interval spans zero: no difference was shown
  kHigher,
  kLower,
};

struct Change {
  double rate = 0;  ///< 0.05 is 5% more
  std::optional<Interval> interval;
  Verdict verdict = Verdict::kUnknown;
};

/// One figure of a table.
struct Cell {
  size_t samples = 0;  ///< 0: there is no figure
  double value = 0;
  std::optional<Interval> interval;
  std::optional<Change> change;  ///< against the first variant; none for the first one itself
};

enum class Unit : uint8_t { kMilliseconds, kShare, kPerSecond };
enum class Better : uint8_t { kLower, kHigher, kNeither };

struct TableRow {
  std::string_view key;  ///< of StageRows(), or "cpu", "cpu_server", "gpu", "streams", "images_per_s", ...
  Unit unit = Unit::kMilliseconds;
  Better better = Better::kLower;
  std::vector<Cell> cells;  ///< by variant
};

struct PathMean {
  std::string_view name;
  double ms = 0;
};

/// What is said of a variant besides its rows.
struct VariantFacts {
  size_t whole_runs = 0;
  size_t failed_runs = 0;
  size_t requests = 0;  ///< of whole runs, as clients saw them
  size_t failed_requests = 0;
  size_t images = 0;
  size_t failed_images = 0;
  double load_share = 0;   ///< of the machine's CPU time, used by the load generator
  double store_share = 0;  ///< and by the object-store simulator
  double spread = 0;       ///< of total p95 between repetitions: (max - min) / median; 0 with one repetition
  /// p99 / p50 of a request's total over all whole runs: how much slower than usual the unlucky ones are; 0:
  /// no requests.
  double tail = 0;
  std::vector<double> images_per_s;  ///< by whole run
  std::vector<PathMean> path;  ///< mean critical path of successful requests, parts in order of the flow
  double path_total_ms = 0;    ///< their mean total
  double accounted = 0;        ///< share of it that the parts without "other" explain; 0: no requests
  LoopLag loop_lag;            ///< the worst of the runs
  double streams_busy = 0;     ///< share of time with work, 0..1
  double decoders_busy = 0;
  double machine_cpu = 0;  ///< 0..1, mean over the samples
  /// Of the time that images held a download slot (until they were decoded), the share that was downloading.
  double loading_share = 1;
};

struct Finding {
  enum class Kind : uint8_t { kGood, kInfo, kWarning, kBad };
  std::string key;  ///< "wall", "streams_full", ...: names the sentence in text.cc
  Kind kind = Kind::kInfo;
  int variant = -1;                 ///< index; -1: about the whole experiment
  std::vector<std::string> values;  ///< what the sentence's places hold (text.h, Fill)
};

inline constexpr std::array<double, 3> kQuantiles = {0.50, 0.95, 0.99};
inline constexpr size_t kP50 = 0;
inline constexpr size_t kP95 = 1;
inline constexpr size_t kP99 = 2;

/// Everything that reports print, computed once.
struct Analysis {
  std::vector<std::string> variants;
  std::vector<VariantFigures> figures;
  std::array<std::vector<TableRow>, kQuantiles.size()> stages;  ///< all of StageRows(), by kQuantiles
  std::vector<TableRow> usage;                                  ///< "cpu", "cpu_server", "gpu", "streams"
  std::vector<TableRow> rates;  ///< "images_per_s", "requests_per_s", "cpu_ms_per_image"
  std::vector<VariantFacts> facts;
  std::vector<Finding> findings;  ///< the first is the headline
};
Analysis Analyse(const ExperimentData& data);

/// The table of the owners' form: kept apart from the computing, so that every writer shows the same rows.
std::vector<const TableRow*> MainTable(const Analysis& analysis);
/// The row's cell of a variant has figures.
bool HasFigures(const TableRow& row);
const TableRow* FindRow(const std::vector<TableRow>& rows, std::string_view key);

/// Counts, shares, spread and mean critical path of one variant.
/// \param cpus of the machine; 0: not known.
VariantFacts CollectFacts(const Variant& variant, double cpus);

}  // namespace photovec::experiment
