// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "request_log/record.h"

namespace photovec::experiment {

/// A part of a request's total time.
struct PathPart {
  std::string_view name;  ///< a stage's (base/stage_times.h, docs/metrics.md), or one of those below
  int64_t us = 0;
};

/// From the moment that the request was opened until the image that decides was added to it.
inline constexpr std::string_view kOpenPart = "open";
/// From the moment that the last result lay in the request until its event loop began to write the reply.
inline constexpr std::string_view kHandOverPart = "hand_over";
/// Time that belongs to nothing that is measured.
inline constexpr std::string_view kOtherPart = "other";

/// Where a request's time went, from the end of its header until its reply's body is written: "receive"
/// (until the image that decides is here), "parse", "open", the stages of the image that was collected last
/// (one that failed ends in the stage in which it failed), "hand_over", "serialise". They follow each other
/// in time, and each begins and ends at a moment that the server measured; the gaps between them, wherever
/// they lie, are "other", the last part. What a request still receives after its last image is done counts in
/// "receive". Nothing is counted twice; the sum is total_us exactly. Each name occurs once at most; parts of
/// 0 are left out, except "other". Empty when total_us is not known.
///
/// Of a server that logs whole steps of a request (load_decode_us, preprocess_us, embed_us) the parts are
/// "receive", "parse", "load_decode", "pool_wait", "preprocess", "embed", "serialise", those that it knows,
/// and "other".
std::vector<PathPart> CriticalPath(const request_log::Record& record);

}  // namespace photovec::experiment
