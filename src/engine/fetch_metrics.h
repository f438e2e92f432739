// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "fetch/observer.h"
#include "metrics/registry.h"

namespace photovec::engine {

/// Counts what the network does: photovec_fetch_* in docs/metrics.md. Thread-safe.
class FetchMetrics final : public fetch::FetchObserver {
 public:
  /// \param registry outlives the last call.
  explicit FetchMetrics(metrics::Registry& registry) : registry_(registry) {}
  void OnAttempt(const fetch::AttemptReport& report) override;
  void OnShared(std::string_view source) override;
  void OnRetry(std::string_view source, Code why) override;

 private:
  struct OfSource {
    metrics::Counter* bytes = nullptr;
    metrics::Counter* shared = nullptr;
    metrics::Distribution* seconds = nullptr;
    std::map<Code, metrics::Counter*> attempts;
    std::map<Code, metrics::Counter*> hedges;
    std::map<Code, metrics::Counter*> retries;
  };
  OfSource& Source(std::string_view source);  // with mutex_ held
  metrics::Counter* ByCode(std::map<Code, metrics::Counter*>& counters, std::string_view name,
                           std::string_view help, std::string_view source, Code code);

  metrics::Registry& registry_;
  std::mutex mutex_;
  std::map<std::string, OfSource, std::less<>>
      sources_;  // guarded by mutex_; the registry is asked once each
};

}  // namespace photovec::engine
