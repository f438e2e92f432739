// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/memory_budget.h"
#include "base/thread_pool.h"
#include "net/connection_io.h"

namespace photovec::net {

class Handler;
struct ServerOptions;

/// The value of the Date header, written once a second. One per event loop; not thread-safe.
class DateLine {
 public:
  /// "Sun, 06 Nov 1994 08:49:37 GMT"
  std::string_view Now();

 private:
  int64_t second_ = -1;
  std::string text_;
};

/// What all connections of a server share. Everything is borrowed.
struct SessionContext {
  Handler& handler;
  MemoryBudget& budget;
  ThreadPool& workers;
  const ServerOptions& options;
  const std::atomic<bool>& draining;
};

/// Serves one connection from its first byte to its close: requests one after the other, also when the client
/// sends them without waiting for replies. Ends by itself on errors, timeouts, "Connection: close" and drain.
/// `context` and `date` must outlive it.
Task<void> ServeConnection(std::shared_ptr<ConnectionIo> io, const SessionContext& context, DateLine& date);

}  // namespace photovec::net
