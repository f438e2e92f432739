// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "base/status.h"
#include "experiment/load/load_generator.h"

namespace photovec::experiment {

/// Errors: kInvalidRequest naming the option that makes no sense, and what would.
Status CheckLoadOptions(const LoadOptions& options);

/// Everything about a load that is decided by its options and seed, before a byte is sent: pure, so that two
/// runs of a seed ask for the same images at the same times, however the server answers.
class LoadSchedule {
 public:
  /// \param options passed CheckLoadOptions.
  explicit LoadSchedule(const LoadOptions& options);

  /// Open loop: when requests start, microseconds after the beginning of the warm-up, ascending; the last
  /// lies before the end of the measured time.
  std::vector<int64_t> Arrivals() const;

  /// Closed loop: when a client sends its first request, microseconds after the beginning of the warm-up:
  /// within think_max and 1 s, so that the clients do not come as one.
  int64_t ClientStartUs(int client) const;
  /// Closed loop: how long a client waits after a reply before it sends again.
  int64_t ThinkUs(uint64_t request) const;
  /// Closed loop: the number of a client's i-th request.
  static uint64_t ClientRequest(int client, uint64_t i) { return (static_cast<uint64_t>(client) << 32) + i; }

  /// Which photos or references a request names: indices, uniform. None occurs twice while there are enough.
  /// \param request open loop, the number of its arrival; closed loop, ClientRequest.
  std::vector<uint32_t> Images(uint64_t request) const;

 private:
  const Arrival arrival_;
  const double requests_per_s_;
  const double total_s_;  // warm-up and measured time
  const double think_min_s_;
  const double think_max_s_;
  const int images_min_;
  const int images_max_;
  const uint32_t pool_;  // how many photos or references there are
  const uint64_t seed_;
};

}  // namespace photovec::experiment
