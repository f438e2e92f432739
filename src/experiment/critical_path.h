// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "experiment/request_record.h"

namespace photovec::experiment {

/// A part of a request's total time.
struct PathPart {
  std::string_view name;  ///< a stage's (base/stage_times.h, docs/metrics.md), or kOtherPart
  int64_t us = 0;
};

/// Time that belongs to no stage: between two of them, or before the first.
inline constexpr std::string_view kOtherPart = "other";

/// Where a request's time went: one way through it, from the end of its header until its reply's body is
/// written, that no work of the request could have shortened but the work on it. "receive" (until the image
/// that decides is here), "parse", the stages of the image that was collected last (an image that failed ends
/// in the stage in which it failed), "serialise", and last "other" for the gaps: the parts follow each other
/// in time, except that a gap counts in "other" wherever it lies and that what a request still receives after
/// its last image is done counts in "receive". Nothing is counted twice; the sum is total_us exactly. Each
/// name occurs once at most; parts of 0 are left out, except "other". Empty when total_us is not known.
///
/// Of a server that logs whole steps of a request (load_decode_us, preprocess_us, embed_us) the parts are
/// "receive", "parse", "load_decode", "preprocess", "embed", "serialise", those that it knows, and "other".
std::vector<PathPart> CriticalPath(const RequestRecord& record);

}  // namespace photovec::experiment
