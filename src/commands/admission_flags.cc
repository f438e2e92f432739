// SPDX-License-Identifier: MIT
#include "commands/admission_flags.h"

#include <chrono>

namespace photovec::commands {
namespace {

Clock::duration WaitOf(double seconds) {
  if (seconds <= 0) return Clock::duration::max();
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

}  // namespace

void DeclareAdmissionFlags(cli::FlagSet& flags, AdmissionFlags* options) {
  flags.Group("Overload");
  flags.Number(
      "max-queue-time", &options->queue_seconds, 0, 86'400,
      "seconds that a request of up to 8 images may have to wait; beyond that it is refused at once with "
      "429 and Retry-After; 0: no limit");
  flags.Number("max-bulk-queue-time", &options->bulk_queue_seconds, 0, 86'400,
               "the same for larger requests and those with X-Priority: bulk");
  flags.Number("default-timeout", &options->default_seconds, 0, 86'400,
               "seconds that a request without X-Request-Timeout-Ms may take; 0: as --request-timeout");
}

void ApplyAdmissionFlags(const AdmissionFlags& options, engine::EngineOptions* engine,
                         api::HttpApiOptions* api) {
  engine->admission.max_wait = {WaitOf(options.queue_seconds), WaitOf(options.bulk_queue_seconds)};
  api->default_deadline = std::chrono::milliseconds(static_cast<int64_t>(options.default_seconds * 1e3));
}

}  // namespace photovec::commands
