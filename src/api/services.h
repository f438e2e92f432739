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

#include "api/timing.h"
#include "base/deadline.h"
#include "base/thread_pool.h"
#include "metrics/registry.h"
#include "net/server.h"
#include "pipeline/pipeline.h"

namespace photovec::api {

/// The metrics that http/ writes. Thread-safe.
class HttpMetrics {
 public:
  explicit HttpMetrics(metrics::Registry& registry);
  /// \param route a route label from the table in router.cc: few and fixed, never what a client sent.
  void CountRequest(std::string_view route, int status);
  /// \param model an existing model's name.
  void ObserveRequest(const std::string& model, const RequestTiming& timing);
  void ObserveLoopLag(Clock::duration lag);
  metrics::Gauge& connections() { return *connections_; }

 private:
  using StageDistributions = std::array<metrics::Distribution*, kRequestStageCount>;

  metrics::Registry& registry_;
  metrics::Distribution* loop_lag_;
  metrics::Gauge* connections_;
  std::mutex mutex_;  // guards the maps, which spare the registry's label building on each request
  std::map<std::pair<std::string_view, int>, metrics::Counter*> requests_;
  std::map<std::string, StageDistributions, std::less<>> stages_;
};

/// What every request handler may use.
struct Services {
  pipeline::Pipeline& pipeline;
  metrics::Registry& registry;
  const net::ServerOptions& options;
  ThreadPool& workers;
  HttpMetrics& metrics;
  int64_t started_unix_s = 0;
  std::atomic<bool> ready{false};
  std::atomic<bool> draining{false};
};

}  // namespace photovec::api
