// SPDX-License-Identifier: MIT
#pragma once

#include "api/http_api.h"
#include "cli/flag_set.h"
#include "engine/options.h"

namespace photovec::commands {

/// How long requests may wait before they are refused, as flags say it. Seconds; 0: no limit.
struct AdmissionFlags {
  double queue_seconds = 2;        ///< --max-queue-time
  double bulk_queue_seconds = 60;  ///< --max-bulk-queue-time
  double default_seconds = 0;      ///< --default-timeout
};

/// Declares --max-queue-time, --max-bulk-queue-time and --default-timeout.
/// \param options outlives `flags`.
void DeclareAdmissionFlags(cli::FlagSet& flags, AdmissionFlags* options);

/// Puts them where they belong.
void ApplyAdmissionFlags(const AdmissionFlags& options, engine::EngineOptions* engine,
                         api::HttpApiOptions* api);

}  // namespace photovec::commands
