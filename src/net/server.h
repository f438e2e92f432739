// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/deadline.h"
#include "base/memory_budget.h"
#include "base/status.h"
#include "base/thread_pool.h"
#include "metrics/registry.h"
#include "net/handler.h"

namespace photovec::net {

struct ServerOptions {
  std::string host = "127.0.0.1";  ///< an IPv4 or IPv6 address, or "localhost"
  uint16_t port = 8080;            ///< 0: any free one; see Server::port()
  int io_threads = 0;              ///< event loops; 0: 1 on up to 4 CPUs, else 2
  LoopPriority loop_priority = LoopPriority::kAuto;
  int worker_threads = 0;  ///< for JSON, base64 and replies over 64 KiB; 0: 1 to 4 by CPUs
  uint64_t max_body_bytes = 64ULL << 20;
  int max_connections = 0;  ///< 0: half of the limit of open files, at most 4,096
  int64_t header_timeout_ms = 10'000;
  int64_t body_timeout_ms = 30'000;  ///< of silence; in all 8 KiB/s more; replies have the same
  int64_t idle_timeout_ms = 75'000;  ///< between two requests of a connection
};

/// An HTTP server: event loops that read and write, and a worker pool for what would hold them up. What it
/// serves is its Handler's. All methods are thread-safe.
class Server {
 public:
  /// Nothing is opened yet.
  /// \param handler, budget (which pays for bodies), registry borrowed; must outlive the server.
  Server(Handler& handler, MemoryBudget& budget, metrics::Registry& registry, ServerOptions options);
  /// Stops with what is in flight cancelled, if Stop() was not called.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Binds, listens and starts the threads. Requests are served from now on.
  /// Errors: kUnavailable (the port is in use), kInvalidRequest (an address that is none, or not this machine's; a port
  /// that needs rights).
  Status Start();
  /// The port that is really listened on; 0 before Start().
  uint16_t port() const;

  /// Stops accepting connections, closes idle ones, lets each reply in flight end its connection. Returns at
  /// once.
  void BeginDrain();
  /// BeginDrain(), then waits until every connection is gone. At `deadline` those left are broken and their
  /// requests cancelled. Blocks until the handler has answered all of them; then no thread of the server
  /// runs. Not from a thread that answers requests.
  void Stop(Deadline deadline);

  size_t connections() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace photovec::net
