// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include "base/deadline.h"

namespace photovec::cli {

/// The progress line of long commands on stderr, of `embed`: images done, images a second over the last
/// seconds, time left. Draws only when stderr is a terminal, at most 5 times a second. Not thread-safe.
class Progress {
 public:
  Progress();
  ~Progress() { Finish(); }

  bool enabled() const { return enabled_; }
  /// \param total images in all; < 0: not known yet.
  void Update(int64_t done, int64_t failed, int64_t total);
  /// The same line for work that is not counted in images: "what  42%  1:05 left".
  /// \param done 0..1.
  void UpdateText(const std::string& what, double done, double seconds_left);
  /// Clears the line.
  void Finish();

 private:
  bool DueNow();

  const bool enabled_;
  TimePoint drawn_at_{};
  TimePoint rate_at_{};
  int64_t rate_done_ = 0;
  double rate_ = 0;
};

/// "1,234/5,000 images  83.1 img/s  ETA 0:45  3 failed".
std::string ProgressText(int64_t done, int64_t failed, int64_t total, double images_per_s);
/// 1234567 as "1,234,567".
std::string Grouped(int64_t value);

}  // namespace photovec::cli
