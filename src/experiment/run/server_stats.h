// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "experiment/run_data.h"

namespace photovec::experiment {

/// The event-loop lag of a photovec server on this machine, from GET /stats. All -1 for a server that answers
/// without that metric. Blocking, at most 5 s. Errors: kUnavailable when there is no answer, or one that is
/// not HTTP.
Result<LoopLag> FetchLoopLag(uint16_t port);

/// The same from the text of /stats; all -1 when it is not there.
LoopLag ParseLoopLag(std::string_view stats_json);

}  // namespace photovec::experiment
