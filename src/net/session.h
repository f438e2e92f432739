// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "api/services.h"
#include "net/connection_io.h"

namespace photovec::net {

/// The value of the Date header, written once a second. One per event loop; not thread-safe.
class DateLine {
 public:
  /// "Sun, 06 Nov 1994 08:49:37 GMT"
  std::string_view Now();

 private:
  int64_t second_ = -1;
  std::string text_;
};

/// Serves one connection from its first byte to its close: requests one after the other, also when the client
/// sends them without waiting for replies. Ends by itself on errors, timeouts, "Connection: close" and drain.
/// `services` and `date` must outlive it.
Task<void> ServeConnection(std::shared_ptr<ConnectionIo> io, api::Services& services, DateLine& date);

}  // namespace photovec::net
