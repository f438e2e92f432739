// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <string_view>

#include "api/errors.h"
#include "api/handlers.h"
#include "base/status.h"
#include "net/peer.h"

namespace photovec::api {

/// What an API key must be allowed for a route (access_keys.h).
enum class Scope {
  kNone,   ///< open without a key: health
  kEmbed,  ///< takes photos, or tells which models there are
  kAdmin,  ///< shows how the server is doing
};

/// One endpoint.
struct Route {
  std::string_view method;  ///< GET routes answer HEAD too
  std::string_view path;    ///< ending in '/': everything below it
  std::string_view label;   ///< in metrics
  Dialect dialect;
  Scope scope;
  net::Task<net::Response> (*handler)(Exchange&);
};

std::span<const Route> Routes();

/// The route of a path, whatever its method; nullptr when there is none.
const Route* FindRoute(std::string_view path);
bool MethodAllowed(const Route& route, std::string_view method);
/// "GET, HEAD" or "POST": for the Allow header.
std::string_view AllowedMethods(const Route& route);

/// Whether the route is served to `peer`, who came in by the main listener or by the one for operations: that
/// one takes no photos, and has metrics and dashboard for itself when `admin_only`.
/// Errors: kNotFound saying where the route is.
Status CheckDoor(const Route& route, const net::Peer& peer, bool admin_only);

/// How errors are written before a route is known.
Dialect DialectOf(std::string_view path);
/// The 404 for an unknown path, which lists the routes.
ApiError NoSuchRoute(std::string_view path);

}  // namespace photovec::api
