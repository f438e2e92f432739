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
#include <vector>

#include "api/embed_service.h"
#include "api/request_terms.h"
#include "api/timing.h"
#include "base/thread_pool.h"
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

/// Whether the server can do its work, and why not.
enum class Readiness : uint8_t {
  kReady,
  kWarmingUp,        ///< starting, or too few decoder processes live
  kDecodersStopped,  ///< somebody stopped them (SIGSTOP)
  kStuck,            ///< a model encodes nothing any more
};
/// As /readyz writes it: "warming_up", ...
std::string_view ReadinessName(Readiness readiness);

inline constexpr int kLargeNice = 7;  // behind the other workers, before decode and encode
/// By CPUs, 1 to 4.
int LargeThreads();

/// What every request handler may use.
struct Services {
  const EmbedService& embed;
  pipeline::Pipeline& pipeline;
  metrics::Registry& registry;
  HttpMetrics& metrics;
  int64_t started_unix_s = 0;
  std::atomic<Readiness> readiness{Readiness::kWarmingUp};
  /// Bodies and replies over 1 MiB: whoever sends small ones does not stand behind them.
  ThreadPool large{"http-large", LargeThreads(), kLargeNice, 1024};
  /// Expositions, which nobody else may hold up.
  ThreadPool expositions{"http-stats", 1, 0, 256};
  std::atomic<bool> ready{false};
  TimeLimits limits = {};
  ImageGuess guess = {};
  std::vector<std::string> image_formats = {};
};

}  // namespace photovec::api
