// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/histogram.h"
#include "base/stage_times.h"
#include "base/status.h"

namespace photovec::bulk {

/// Collects the outcomes of images: counts by code, and the times of each stage. Not thread-safe.
class StageSummary {
 public:
  StageSummary();

  void Add(const Status& status, const StageTimes& times);
  /// So many of those that were added have a vector although they are damaged.
  void AddDamaged(int64_t images) { damaged_ += images; }
  /// Images of an earlier run, of which there are no times.
  void AddEarlier(int64_t images, const std::map<std::string, int64_t>& failures);

  int64_t images() const { return images_; }
  int64_t failed() const { return failed_; }
  int64_t damaged() const { return damaged_; }
  const std::map<std::string, int64_t>& failures() const { return failures_; }
  /// Failures of files that were not there or could not be read, so that nothing is known of the photos.
  int64_t unreadable() const;
  /// What the first failure said; empty when none was added by Add().
  const std::string& first_failure() const { return first_failure_; }

  /// The stage table for people: one line for each stage that items went through, with count, mean, p50, p95
  /// and max in milliseconds.
  std::string Table() const;
  /// {"fetch":{"count":..,"mean_ms":..,"p50_ms":..,"p95_ms":..,"max_ms":..},...}
  std::string Json() const;
  /// "image_corrupt 3, not_found 1", or "none".
  std::string FailuresText() const;

 private:
  static constexpr int kRows = kStageCount + 1;  // the last: all stages together
  std::array<std::unique_ptr<Histogram>, kRows> micros_;
  std::map<std::string, int64_t> failures_;
  int64_t images_ = 0;
  int64_t failed_ = 0;
  int64_t damaged_ = 0;
  std::string first_failure_;
};

}  // namespace photovec::bulk
