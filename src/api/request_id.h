// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

namespace photovec::api {

/// The id under which a request stands in replies and logs: what the client sent as X-Request-Id when it is 1
/// to 128 of A-Z, a-z, 0-9, '.', '_', '-', else a new one that no other request of any server has.
/// Thread-safe.
std::string RequestIdOf(std::string_view sent);

/// `sent` when it is a traceparent of version 00 (W3C Trace Context), else empty.
std::string_view CheckedTraceparent(std::string_view sent);

}  // namespace photovec::api
