// SPDX-License-Identifier: MIT
#include "commands/listener_flags.h"

#include <charconv>
#include <cstdint>

#include "base/log.h"

namespace photovec::commands {
namespace {

Result<mode_t> ParseMode(const std::string& text) {
  unsigned mode = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  if (error != std::errc() || end != text.data() + text.size() || mode > 0777) {
    return Status(Code::kInvalidRequest, "--unix-socket-mode: \"" + text + "\" is not a mode such as 0660");
  }
  return static_cast<mode_t>(mode);
}

Status CheckTls(const net::ServerOptions& server) {
  const net::TlsOptions& tls = server.tls;
  if (tls.certificate_file.empty() != tls.key_file.empty()) {
    return {Code::kInvalidRequest, "--tls-certificate and --tls-key need each other"};
  }
  if (!tls.enabled() && !tls.client_ca_file.empty()) {
    return {Code::kInvalidRequest, "--tls-client-ca needs --tls-certificate and --tls-key"};
  }
  if (!tls.enabled() && server.admin.tls) {
    return {Code::kInvalidRequest, "--admin-tls=on needs --tls-certificate and --tls-key"};
  }
  return Status::Ok();
}

}  // namespace

void DeclareListenerFlags(cli::FlagSet& flags, ListenerFlags* options, net::ServerOptions* server) {
  flags.Group("Listeners");
  flags.OnOff("tcp", &server->tcp, "off: no --host and --port, only sockets");
  flags.Text("unix-socket", &server->unix_socket, "PATH", "listen on a Unix socket, too");
  flags.Text("unix-socket-mode", &options->unix_mode, "MODE",
             "who may connect to Unix sockets, as chmod writes it");
  flags.Integer(
      "admin-port", &options->admin_port, -1, 65'535,
      "port for health, metrics and the dashboard, which load cannot take; -1: none; 0: any free one");
  flags.Text("admin-host", &server->admin.host, "ADDRESS", "address of --admin-port");
  flags.Text("admin-port-file", &options->admin_port_file, "FILE",
             "write --admin-port there once requests are served");
  flags.Text("admin-unix-socket", &server->admin.unix_socket, "PATH", "the same on a Unix socket");
  flags.OnOff("admin-tls", &server->admin.tls, "TLS on --admin-port, too");
  flags.Integer(
      "max-connections-per-address", &server->max_connections_per_address, 0, 1'000'000,
      "open connections of one client address, an IPv6 network of 64 bits; 0: half of --max-connections, no "
      "limit on this machine");
  flags.List("allow-server-host", &server->server_names, "NAME",
             "name by which clients may call this server (repeatable; *.example.com, *: any); without it "
             "any, on loopback "
             "addresses only localhost, addresses and names without a dot");
  flags.Text("tls-certificate", &server->tls.certificate_file, "FILE",
             "speak TLS with this certificate chain (PEM)");
  flags.Text("tls-key", &server->tls.key_file, "FILE", "its private key (PEM)");
  flags.Text("tls-client-ca", &server->tls.client_ca_file, "FILE",
             "clients need a certificate of one of these authorities (PEM)");
  flags.Switch("insecure", &options->insecure,
               "no warning when other machines reach the server without keys or without TLS");
  flags.Number("lame-duck", &options->lame_duck_seconds, 0, 3'600,
               "seconds after SIGTERM in which /readyz says draining and everybody is still served");
}

Status ApplyListenerFlags(const ListenerFlags& options, const cli::ServiceManager& manager,
                          net::ServerOptions* server) {
  ASSIGN_OR_RETURN(server->unix_mode, ParseMode(options.unix_mode));
  RETURN_IF_ERROR(CheckTls(*server));
  if (options.admin_port >= 0) server->admin.port = static_cast<uint16_t>(options.admin_port);
  bool adopted = false;
  for (const cli::ServiceManager::Socket& socket : manager.sockets()) {
    server->adopted.push_back({socket.fd, socket.name == "admin"});
    adopted = adopted || socket.name != "admin";
  }
  if (!server->tcp && server->unix_socket.empty() && !adopted) {
    return {Code::kInvalidRequest, "--tcp=off leaves no listener: give --unix-socket PATH"};
  }
  return Status::Ok();
}

void LogListeners(const net::Server& server, const net::ServerOptions& options, const ListenerFlags& flags,
                  bool has_keys) {
  for (const std::string& where : server.listeners()) log::info("listening on {}", where);
  const net::Exposure exposure = server.exposure();
  if (flags.insecure) return;
  if (exposure.outside && !has_keys && options.tls.client_ca_file.empty()) {
    log::warn(
        "ANYBODY on the network may use this server: it listens beyond this machine, and clients need "
        "neither an API "
        "key nor a certificate (--tls-client-ca). --insecure says that this is meant so.");
  }
  if (exposure.outside_without_tls) {
    log::warn(
        "ANYBODY on the way can read photos, vectors and keys: the server listens beyond this machine "
        "without TLS "
        "(--tls-certificate, --tls-key). --insecure says that this is meant so, for instance behind a "
        "proxy.");
  }
}

}  // namespace photovec::commands
