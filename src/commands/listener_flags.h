// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "base/result.h"
#include "cli/flag_set.h"
#include "cli/service_manager.h"
#include "net/server.h"

namespace photovec::commands {

/// Where `serve` listens besides --host and --port, with which certificate, and how it stops listening.
struct ListenerFlags {
  int admin_port = -1;
  std::string admin_port_file;
  std::string unix_mode = "0660";
  bool insecure = false;
  double lame_duck_seconds = 0;
};

/// Declares --unix-socket, --admin-port, --tls-certificate, --allow-server-host, --lame-duck, ... in the
/// group Listeners.
/// \param options, server outlive `flags`.
void DeclareListenerFlags(cli::FlagSet& flags, ListenerFlags* options, net::ServerOptions* server);

/// Puts into `server` what the flags and the service manager's sockets say.
/// Errors: kInvalidRequest naming the flag that is wrong, or two that contradict each other.
Status ApplyListenerFlags(const ListenerFlags& options, const cli::ServiceManager& manager,
                          net::ServerOptions* server);

/// Says in the log where the started server listens, and loudly who could use it or listen in when it can be
/// reached from other machines without keys or without TLS; --insecure says that this is meant so.
/// \param has_keys whether clients must show an API key.
void LogListeners(const net::Server& server, const net::ServerOptions& options, const ListenerFlags& flags,
                  bool has_keys);

}  // namespace photovec::commands
