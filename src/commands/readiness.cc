// SPDX-License-Identifier: MIT
#include "commands/readiness.h"

#include <chrono>

#include "base/log.h"
#include "metrics/names.h"

namespace photovec::commands {
namespace {

/// So long all must be well before the server is ready again: replacements that are stopped, too, would make
/// it come and go.
constexpr std::chrono::milliseconds kSettle{500};
/// So long decoders may be missing: each of those that a bad photo killed is replaced within some 50 ms, and
/// a stranger's photo shall not take a server out of its load balancer.
constexpr std::chrono::milliseconds kReplacement{500};

}  // namespace

void DeclareReadinessFlags(cli::FlagSet& flags, ReadinessOptions* options) {
  flags.Number(
      "self-test-interval", &options->self_test_seconds, 0, 3'600,
      "seconds without a batch after which a model is given a photo of one pixel; /readyz says stuck "
      "when that takes as long again; 0: never");
}

ReadinessWatch::ReadinessWatch(engine::Engine& engine, api::HttpApi& api, const ReadinessOptions& options)
    : engine_(engine),
      api_(api),
      ready_(
          engine.registry->GetGauge(metrics::name::kReady, "Whether /readyz says 200, draining apart", {})) {
  if (options.self_test_seconds > 0) {
    const std::chrono::duration<double> interval(options.self_test_seconds);
    self_test_.emplace(*engine.pipeline, *engine.registry,
                       std::chrono::duration_cast<Clock::duration>(interval));
  }
  well_at_ = Clock::now();
  Tell(api::Readiness::kReady);
}

void ReadinessWatch::Look() {
  const api::Readiness now = Judge();
  const TimePoint at = Clock::now();
  (now == api::Readiness::kReady ? well_at_ : bad_at_) = at;
  if (now == told_ || (now == api::Readiness::kReady && at - bad_at_ < kSettle)) return;
  if (now == api::Readiness::kWarmingUp && at - well_at_ < kReplacement) return;
  if (now == api::Readiness::kReady) {
    log::info("ready again");
  } else if (engine_.decoders != nullptr) {
    const decode::DecoderPoolStats stats = engine_.decoders->stats();
    log::error("not ready ({}): of {} decoder processes {} live, {} of them stopped", api::ReadinessName(now),
               stats.wanted, stats.alive, stats.stopped);
  } else {
    log::error("not ready ({})", api::ReadinessName(now));
  }
  Tell(now);
}

api::Readiness ReadinessWatch::Judge() {
  const bool works = !self_test_ || self_test_->Look(Clock::now());
  if (engine_.decoders != nullptr) {
    const decode::DecoderPoolStats stats = engine_.decoders->stats();
    if (!engine::EnoughDecoders(stats)) {
      return stats.stopped > 0 ? api::Readiness::kDecodersStopped : api::Readiness::kWarmingUp;
    }
  }
  return works ? api::Readiness::kReady : api::Readiness::kStuck;
}

void ReadinessWatch::Tell(api::Readiness readiness) {
  told_ = readiness;
  ready_->Set(readiness == api::Readiness::kReady ? 1 : 0);
  api_.SetReadiness(readiness);
}

}  // namespace photovec::commands
