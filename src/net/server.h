// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/deadline.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "metrics/registry.h"
#include "pipeline/pipeline.h"
#include "request_log/writer.h"

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
  int64_t body_timeout_ms = 30'000;       ///< of silence; in all 8 KiB/s more; replies have the same
  int64_t idle_timeout_ms = 75'000;       ///< between two requests of a connection
  int64_t request_deadline_ms = 300'000;  ///< after that an image not yet encoded is deadline_exceeded
  request_log::RequestLog* request_log = nullptr;  ///< borrowed; must outlive the server; null: off
};

/// The HTTP server: event loops that read and write, a worker pool for long JSON, and the protocols on top of
/// one pipeline. docs/api.md describes what it serves. All methods are thread-safe.
class Server {
 public:
  /// \param pipeline, registry  borrowed; must outlive the server.
  /// Nothing is opened yet.
  static std::unique_ptr<Server> Create(pipeline::Pipeline& pipeline, metrics::Registry& registry,
                                        ServerOptions options);
  /// Stops with what is in flight cancelled, if Stop() was not called.
  virtual ~Server() = default;

  /// Binds, listens and starts the threads. Requests are served from now on; /readyz says 503 until
  /// SetReady(true). Errors: kUnavailable (the port is in use), kInvalidRequest (an address that is none, or
  /// not this machine's; a port that needs rights).
  virtual Status Start() = 0;
  /// The port that is really listened on; 0 before Start().
  virtual uint16_t port() const = 0;

  /// After a warm-up encode succeeded.
  virtual void SetReady(bool ready) = 0;

  /// Stops accepting connections, closes idle ones, lets each reply in flight end its connection; /readyz
  /// says 503. Returns at once.
  virtual void BeginDrain() = 0;
  /// BeginDrain(), then waits until every connection is gone. At `deadline` those left are broken and their
  /// requests cancelled. Blocks until the pipeline has answered all of them; then no thread of the server
  /// runs. Not from a pipeline thread.
  virtual void Stop(Deadline deadline) = 0;

  virtual size_t connections() const = 0;
};

}  // namespace photovec::net
