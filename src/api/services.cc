// SPDX-License-Identifier: MIT
#include "api/services.h"

#include <chrono>

#include "metrics/names.h"

namespace photovec::api {

HttpMetrics::HttpMetrics(metrics::Registry& registry)
    : registry_(registry),
      loop_lag_(registry.GetDistribution(metrics::name::kLoopLagSeconds,
                                         "How late a timer of an event loop ran", metrics::kSecondsBuckets,
                                         {})),
      connections_(registry.GetGauge(metrics::name::kConnections, "Open HTTP connections", {})) {}

void HttpMetrics::CountRequest(std::string_view route, int status) {
  metrics::Counter* counter = nullptr;
  {
    std::scoped_lock lock(mutex_);
    metrics::Counter*& slot = requests_[{route, status}];
    if (slot == nullptr) {
      slot = registry_.GetCounter(
          metrics::name::kRequestsTotal, "HTTP requests by route and status",
          {{metrics::label::kRoute, std::string(route)}, {metrics::label::kStatus, std::to_string(status)}});
    }
    counter = slot;
  }
  counter->Add();
}

void HttpMetrics::ObserveRequest(const std::string& model, const RequestTiming& timing) {
  StageDistributions stages;
  {
    std::scoped_lock lock(mutex_);
    auto it = stages_.find(model);
    if (it == stages_.end()) {
      it = stages_.emplace(model, StageDistributions{}).first;
      for (size_t i = 0; i < kRequestStageCount; ++i) {
        const std::string stage(RequestStageName(static_cast<RequestStage>(i)));
        it->second[i] = registry_.GetDistribution(
            metrics::name::kRequestStageSeconds, "Time of a request by stage", metrics::kSecondsBuckets,
            {{metrics::label::kModel, model}, {metrics::label::kStage, stage}});
      }
    }
    stages = it->second;
  }
  for (size_t i = 0; i < kRequestStageCount; ++i) {
    stages[i]->Observe(static_cast<double>(timing.Micros(static_cast<RequestStage>(i))) * 1e-6);
  }
}

void HttpMetrics::ObserveLoopLag(Clock::duration lag) {
  loop_lag_->Observe(std::chrono::duration<double>(lag).count());
}

}  // namespace photovec::api
