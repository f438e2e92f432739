// SPDX-License-Identifier: MIT
#pragma once

#include "base/clock.h"
#include "cli/service_manager.h"
#include "net/server.h"

namespace photovec::commands {

/// What the main thread of `serve` does beside waiting for its end: tells the service manager's watchdog that
/// the event loops turn (a server whose loops hang is restarted), and reads the certificate anew now and
/// then, so that a renewed one is taken without a signal, an old one is warned of, and the keys of session
/// tickets change. Not thread-safe.
class Upkeep {
 public:
  /// Borrowed.
  Upkeep(net::Server& server, const cli::ServiceManager& manager) : server_(server), manager_(manager) {}
  /// Call ten times a second or so. Blocks on the certificate's files, seldom.
  void Look();
  /// Reads the certificate anew, now; says in the log when it cannot be used and the old one stays.
  void ReloadCertificate();

 private:
  net::Server& server_;
  const cli::ServiceManager& manager_;
  TimePoint last_alive_;
  TimePoint last_reload_ = Clock::now();
};

}  // namespace photovec::commands
