// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "base/line_writer.h"
#include "metrics/registry.h"

namespace photovec::api {

/// Exports how many lines the process's logs have lost, and why. While it lives.
class LogMetrics {
 public:
  struct Source {
    std::string_view log;  ///< a literal: "request", "access"
    std::function<LostLines()> lost;
  };
  /// stderr is there by itself.
  /// \param registry borrowed; must outlive it, as must whatever `sources` ask.
  LogMetrics(metrics::Registry& registry, std::vector<Source> sources);
  ~LogMetrics() { registry_.RemoveSampler(sampler_); }
  LogMetrics(const LogMetrics&) = delete;
  LogMetrics& operator=(const LogMetrics&) = delete;

 private:
  metrics::Registry& registry_;
  int sampler_;
};

}  // namespace photovec::api
