// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "request_log/record.h"

namespace photovec::request_log {

/// Reads a request log. A last line without an end (the server was killed) is left out.
/// Errors: kNotFound; kInvalidRequest naming file and line.
Result<std::vector<Record>> ReadRequestLog(const std::string& path);

}  // namespace photovec::request_log
