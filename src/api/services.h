// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "api/embed_service.h"
#include "api/request_terms.h"
#include "api/timing.h"
#include "metrics/registry.h"
#include "pipeline/pipeline.h"

namespace photovec::api {

/// The metrics of requests. Thread-safe.
class HttpMetrics {
 public:
  explicit HttpMetrics(metrics::Registry& registry) : registry_(registry) {}
  /// \param route a route label from the table in routes.cc: few and fixed, never what a client sent.
  void CountRequest(std::string_view route, int status);
  /// \param reason "queue_time", "deadline" or "memory".
  void CountRefusal(std::string_view model, std::string_view reason);
  void ObserveRequest(std::string_view model, const RequestTiming& timing);

 private:
  using StageDistributions = std::array<metrics::Distribution*, kHttpStageCount>;

  metrics::Registry& registry_;
  std::mutex mutex_;  // guards the maps, which spare the registry's label building on each request
  std::map<std::pair<std::string_view, int>, metrics::Counter*> requests_;
  std::map<std::string, StageDistributions, std::less<>> stages_;
};

/// What every request handler may use.
struct Services {
  const EmbedService& embed;
  pipeline::Pipeline& pipeline;
  metrics::Registry& registry;
  HttpMetrics& metrics;
  int64_t started_unix_s = 0;
  std::atomic<bool> ready{false};
  TimeLimits limits = {};
  ImageGuess guess = {};
};

}  // namespace photovec::api
