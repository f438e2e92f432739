// SPDX-License-Identifier: MIT
#include "engine/fetch_metrics.h"

#include <chrono>

#include "metrics/names.h"

namespace photovec::engine {

namespace label = metrics::label;
namespace name = metrics::name;

FetchMetrics::OfSource& FetchMetrics::Source(std::string_view source) {
  const auto known = sources_.find(source);
  if (known != sources_.end()) return known->second;
  const metrics::Labels labels = {{label::kSource, std::string(source)}};
  OfSource made;
  made.bytes = registry_.GetCounter(name::kFetchBytes, "bytes of bodies received", labels);
  made.shared =
      registry_.GetCounter(name::kFetchShared, "references that joined the same one in flight", labels);
  made.seconds = registry_.GetDistribution(name::kFetchAttemptSeconds, "how long attempts took",
                                           metrics::kSecondsBuckets, labels);
  return sources_.emplace(source, std::move(made)).first->second;
}

metrics::Counter* FetchMetrics::ByCode(std::map<Code, metrics::Counter*>& counters, std::string_view name,
                                       std::string_view help, std::string_view source, Code code) {
  metrics::Counter*& counter = counters[code];
  if (counter == nullptr) {
    counter = registry_.GetCounter(
        name, help, {{label::kSource, std::string(source)}, {label::kCode, std::string(CodeName(code))}});
  }
  return counter;
}

void FetchMetrics::OnAttempt(const fetch::AttemptReport& report) {
  std::scoped_lock lock(mutex_);
  OfSource& of = Source(report.source);
  ByCode(of.attempts, name::kFetchAttempts, "attempts that ended", report.source, report.code)->Add();
  if (report.hedge) {
    ByCode(of.hedges, name::kFetchHedges, "second attempts beside slow ones", report.source, report.code)
        ->Add();
  }
  of.bytes->Add(static_cast<double>(report.bytes));
  of.seconds->Observe(std::chrono::duration<double>(report.took).count());
}

void FetchMetrics::OnShared(std::string_view source) {
  std::scoped_lock lock(mutex_);
  Source(source).shared->Add();
}

void FetchMetrics::OnRetry(std::string_view source, Code why) {
  std::scoped_lock lock(mutex_);
  OfSource& of = Source(source);
  ByCode(of.retries, name::kFetchRetries, "attempts made again, by what had gone wrong", source, why)->Add();
}

}  // namespace photovec::engine
