// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace photovec::metrics {

/// What /stats says of one distribution.
struct Summary {
  uint64_t count = 0;
  double mean = 0;
  double p50 = 0;
  double p95 = 0;
  double p99 = 0;
  double max = 0;
  bool milliseconds = false;  ///< the five values are milliseconds, and their keys end in "_ms"
};

/// Writes the JSON that Registry::StatsJson describes. Not thread-safe; one use.
class StatsWriter {
 public:
  using Labels = std::map<std::string, std::string>;
  void Add(const std::string& name, const Labels& labels, double value);
  void Add(const std::string& name, const Labels& labels, const Summary& summary);
  /// The whole document; metric names and labels sorted.
  std::string Finish() const;

 private:
  std::map<std::string, std::vector<std::string>> rows_;  // metric name -> its objects
};

}  // namespace photovec::metrics
