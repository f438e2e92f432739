// SPDX-License-Identifier: MIT
#include "api/services.h"

#include "metrics/names.h"

namespace photovec::api {

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

void HttpMetrics::CountRefusal(std::string_view model, std::string_view reason) {
  registry_
      .GetCounter(
          metrics::name::kRequestsRefused, "Requests refused with 429, by what there was too little of",
          {{metrics::label::kModel, std::string(model)}, {metrics::label::kReason, std::string(reason)}})
      ->Add();
}

void HttpMetrics::ObserveRequest(std::string_view model, const RequestTiming& timing) {
  StageDistributions stages;
  {
    std::scoped_lock lock(mutex_);
    auto it = stages_.find(model);
    if (it == stages_.end()) {
      it = stages_.emplace(std::string(model), StageDistributions{}).first;
      for (size_t i = 0; i < kHttpStageCount; ++i) {
        const std::string stage(HttpStageName(static_cast<HttpStage>(i)));
        it->second[i] = registry_.GetDistribution(
            metrics::name::kRequestStageSeconds, "Time of a request by stage", metrics::kSecondsBuckets,
            {{metrics::label::kModel, std::string(model)}, {metrics::label::kStage, stage}});
      }
    }
    stages = it->second;
  }
  for (size_t i = 0; i < kHttpStageCount; ++i) {
    stages[i]->Observe(static_cast<double>(timing.Micros(static_cast<HttpStage>(i))) * 1e-6);
  }
}

}  // namespace photovec::api
