// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

#include "api/timing.h"
#include "base/clock.h"
#include "pipeline/request.h"
#include "request_log/record.h"

namespace photovec::api {

/// A request that reached the pipeline and is over, however it ended. Everything is borrowed.
struct FinishedRequest {
  std::string_view model;
  std::string_view route;
  int status = 0;  ///< HTTP
  const RequestTiming& timing;
  TimePoint opened;                                 ///< when the request was opened in the pipeline
  const pipeline::RequestResult* result = nullptr;  ///< null: given up before there was one
  std::string_view request_id = {};
  std::string_view traceparent = {};  ///< empty: none
};

/// The line of the request log about it, without an id. Moments are rounded to microseconds before they are
/// subtracted: equal moments stay equal whichever request they are told in.
request_log::Record ToRecord(const FinishedRequest& request);

}  // namespace photovec::api
