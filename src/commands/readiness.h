// SPDX-License-Identifier: MIT
#pragma once

#include <optional>

#include "api/http_api.h"
#include "cli/flag_set.h"
#include "engine/engine.h"
#include "engine/self_test.h"

namespace photovec::commands {

struct ReadinessOptions {
  double self_test_seconds = 15;  ///< 0: none
};

/// Declares --self-test-interval.
void DeclareReadinessFlags(cli::FlagSet& flags, ReadinessOptions* options);

/// Keeps /readyz true to what the engine can do: decoders that run, models that encode. Looks only; decoders
/// are restarted by themselves. Used by one thread.
class ReadinessWatch {
 public:
  /// Ready from now on: engine::SetUpModel has run every stream.
  ReadinessWatch(engine::Engine& engine, api::HttpApi& api, const ReadinessOptions& options);
  ReadinessWatch(const ReadinessWatch&) = delete;
  ReadinessWatch& operator=(const ReadinessWatch&) = delete;

  /// Some times a second. Never blocks.
  void Look();

 private:
  api::Readiness Judge();
  void Tell(api::Readiness readiness);

  engine::Engine& engine_;
  api::HttpApi& api_;
  metrics::Gauge* const ready_;
  std::optional<engine::SelfTest> self_test_;
  TimePoint bad_at_;   // the last look at which something was wrong
  TimePoint well_at_;  // the last one at which nothing was
  api::Readiness told_ = api::Readiness::kWarmingUp;
};

}  // namespace photovec::commands
