// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "request_log/reader.h"

namespace photovec::experiment {

/// A trace for Perfetto or chrome://tracing (Trace Event Format, JSON): one track per decode worker, one per
/// stream (each batch one slice, with its size and the requests in it) and one per request (its images'
/// stages as nested slices), so that overlap can be seen.
/// \param from_us, to_us CLOCK_MONOTONIC; requests
/// that touch the window are shown, whole; time 0 is from_us, or when the first of them began.
std::string TraceJson(std::span<const request_log::Record> records, int64_t from_us, int64_t to_us);

}  // namespace photovec::experiment
