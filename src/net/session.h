// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/memory_budget.h"
#include "base/thread_pool.h"
#include "metrics/registry.h"
#include "net/connection_io.h"
#include "net/host_rules.h"

namespace photovec::net {

class EventLoop;
class Handler;
struct ServerOptions;

/// Handshakes by how they ended. Borrowed; each may be null.
struct TlsCounters {
  metrics::Counter* done = nullptr;
  metrics::Counter* failed = nullptr;
};

/// The value of the Date header, written once a second. One per event loop; not thread-safe.
class DateLine {
 public:
  /// "Sun, 06 Nov 1994 08:49:37 GMT"
  std::string_view Now();

 private:
  int64_t second_ = -1;
  std::string text_;
};

enum class DrainPhase {
  kServing,
  kLameDuck,  ///< everybody is still served, and every reply ends its connection
  kClosing,   ///< newcomers and idle connections have kDrainGrace left
};

/// What a client that was just told "Connection: close" needs to say what it wants to say on its next
/// connection, and one that is about to use its kept connection to do so: a request that is on its way must
/// not meet a reset.
inline constexpr std::chrono::milliseconds kDrainGrace{250};

/// What all connections of a listener share. Everything is borrowed.
struct SessionContext {
  Handler& handler;
  MemoryBudget& budget;
  ThreadPool& workers;
  const ServerOptions& options;
  const std::atomic<DrainPhase>& phase;
  const TlsCounters& tls_counters;
  const HostRules* hosts = nullptr;  ///< null: any name
};

/// Serves one connection from its first byte to its close: requests one after the other, also when the client
/// sends them without waiting for replies; with TLS its handshake first. Ends by itself on errors, timeouts,
/// "Connection: close" and drain. `context` and `loop`, its own, must outlive it.
Task<void> ServeConnection(std::shared_ptr<ConnectionIo> io, const SessionContext& context, EventLoop& loop);

}  // namespace photovec::net
