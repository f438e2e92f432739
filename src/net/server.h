// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/memory_budget.h"
#include "base/status.h"
#include "base/thread_pool.h"
#include "metrics/registry.h"
#include "net/handler.h"
#include "net/tls.h"

namespace photovec::net {

/// The listener for health, metrics and the dashboard, which load cannot take: a loop, a worker and room for
/// 64 connections of its own.
struct AdminOptions {
  std::string host = "127.0.0.1";
  std::optional<uint16_t> port;  ///< nullopt: no TCP; 0: any free one, see Server::admin_port()
  std::string unix_socket;       ///< path; empty: none
  bool tls = false;              ///< on TCP, with the server's certificate
};

/// A socket that listens already, opened by a service manager. Owned by the server once it starts.
struct AdoptedSocket {
  int fd = -1;
  bool admin = false;
};

/// Whether other machines can reach a TCP listener, and whether one of those is without TLS.
struct Exposure {
  bool outside = false;
  bool outside_without_tls = false;
};

struct ServerOptions {
  std::string host = "127.0.0.1";  ///< an IPv4 or IPv6 address, or "localhost"
  uint16_t port = 8080;            ///< 0: any free one; see Server::port()
  bool tcp = true;                 ///< false: neither host nor port count
  std::string unix_socket;         ///< path; empty: none
  mode_t unix_mode = 0660;         ///< of both sockets' files
  AdminOptions admin;
  std::vector<AdoptedSocket> adopted;  ///< those that are not `admin` replace host and port
  TlsOptions tls;
  /// Names by which clients may call the server over TCP (net/host_rules.h). Empty: any name, but on loopback
  /// addresses only those that no stranger can own, and `host`.
  std::vector<std::string> server_names;
  int io_threads = 0;  ///< event loops; 0: 1 on up to 4 CPUs, else 2
  LoopPriority loop_priority = LoopPriority::kAuto;
  int worker_threads = 0;  ///< for JSON, base64 and replies over 64 KiB; 0: 1 to 4 by CPUs
  uint64_t max_body_bytes = 128ULL << 20;
  int max_connections = 0;  ///< 0: half of the limit of open files, at most 4,096
  /// Of one client address over TCP. 0: half of max_connections, and no limit for clients on this machine,
  /// which are proxies as a rule.
  int max_connections_per_address = 0;
  int64_t header_timeout_ms = 10'000;
  int64_t body_timeout_ms = 30'000;  ///< of silence; in all 8 KiB/s more; replies have the same
  int64_t idle_timeout_ms = 75'000;  ///< between two requests of a connection
};

/// An HTTP server: listeners, event loops that read and write, and a worker pool for what would hold them up.
/// What it serves is its Handler's. All methods are thread-safe.
class Server {
 public:
  /// Nothing is opened yet.
  /// \param handler, budget (which pays for bodies), registry borrowed; must outlive the server.
  Server(Handler& handler, MemoryBudget& budget, metrics::Registry& registry, ServerOptions options);
  /// Stops with what is in flight cancelled, if Stop() was not called.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Binds, listens and starts the threads. Requests are served from now on. Call once.
  /// Errors: kUnavailable (a port or a socket's file is in use), kInvalidRequest (an address that is none, or not this
  /// machine's; a port that needs rights; a certificate that cannot be used).
  Status Start();
  /// The TCP port that is really listened on; 0 before Start() and without one.
  uint16_t port() const;
  uint16_t admin_port() const;
  /// "http://127.0.0.1:8080", "unix:/run/photovec.sock (admin)": every listener, for the log.
  std::vector<std::string> listeners() const;
  Exposure exposure() const;

  /// Reads certificate and key anew, for connections to come. Does nothing without TLS. Blocks on the files.
  /// Errors: kInvalidRequest naming the file that is wrong; the server goes on with what it has.
  Status ReloadCertificates();
  /// Whether every event loop has turned within `time`.
  bool LoopsTurn(Clock::duration time) const;

  /// Before a drain: everybody is served as before, newcomers too, but ServerRequest::draining says so, and
  /// every reply ends its connection, so that clients and load balancers go elsewhere. Returns at once.
  void BeginLameDuck();
  /// Stops accepting connections, closes idle ones (both a moment later, so that nobody who is on the way is
  /// lost), lets each reply in flight end its connection. The admin listener stays. Returns at once.
  void BeginDrain();
  /// BeginDrain(), then waits until every connection is gone. At `deadline` those left are broken and their
  /// requests cancelled. Blocks until the handler has answered all of them; then no thread of the server
  /// runs. Not from a thread that answers requests.
  void Stop(Deadline deadline);

  /// Without those of the admin listener.
  size_t connections() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// Lifts this process's soft limit of open files to the hard one, at most 1,048,576. Before threads and
/// decoders start.
void RaiseFileLimit();

}  // namespace photovec::net
