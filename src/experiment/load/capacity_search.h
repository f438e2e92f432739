// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "experiment/run_data.h"

namespace photovec::experiment {

/// "p95<800ms": a quantile of the requests' total time (from the intended start) and its bound.
struct Objective {
  double quantile = 0.95;
  double bound_ms = 0;
  bool inclusive = false;  ///< '<='
  std::string text;
};
/// Accepts p50, p90, p95, p99, p99.9 ..., '<' or '<=', and ms or s.
/// Errors: kInvalidRequest saying what is accepted.
Result<Objective> ParseObjective(std::string_view text);

/// Finds the highest rate of an open loop that keeps an objective: doubles from a first guess until one fails
/// (or halves until one holds), then bisects until the bracket is within `precision`. Pure: the caller runs
/// the trials.
class CapacitySearch {
 public:
  CapacitySearch(Objective objective, double first_guess, double precision = 0.05, int max_trials = 12);
  bool done() const;
  /// The rate to try next, requests a second. Only while !done().
  double NextRate() const;
  /// \param failed a request of the trial failed or was refused: the objective is then not kept, whatever the
  /// value.
  void Report(double value_ms, bool failed);
  Capacity Result() const;

 private:
  Objective objective_;
  double precision_;
  int max_trials_;
  double next_;
  double low_ = 0;    // the highest rate that kept the objective
  double high_ = -1;  // the lowest that did not; < 0: none yet
  Capacity capacity_;
};

}  // namespace photovec::experiment
