// SPDX-License-Identifier: MIT
#include "api/routes.h"

#include <array>
#include <string>

namespace photovec::api {
namespace {

constexpr std::array kRoutes = {
    Route{"POST", "/embed", "embed", Dialect::kNative, Scope::kEmbed, &HandleEmbed},
    Route{"POST", "/score", "score", Dialect::kNative, Scope::kEmbed, &HandleScore},
    Route{"POST", "/v1/embeddings", "v1_embeddings", Dialect::kOpenAi, Scope::kEmbed, &HandleEmbeddings},
    Route{"GET", "/v1/models", "v1_models", Dialect::kOpenAi, Scope::kEmbed, &HandleModels},
    Route{"GET", "/v1/models/", "v1_models", Dialect::kOpenAi, Scope::kEmbed, &HandleModel},
    Route{"POST", "/clip/embedding", "clip_embedding", Dialect::kOriginal, Scope::kEmbed,
          &HandleClipEmbedding},
    Route{"GET", "/health/info", "health_info", Dialect::kOriginal, Scope::kNone, &HandleHealthInfo},
    Route{"GET", "/healthz", "healthz", Dialect::kNative, Scope::kNone, &HandleHealthz},
    Route{"GET", "/readyz", "readyz", Dialect::kNative, Scope::kNone, &HandleReadyz},
    Route{"GET", "/metrics", "metrics", Dialect::kNative, Scope::kAdmin, &HandleMetrics},
    Route{"GET", "/stats", "stats", Dialect::kNative, Scope::kAdmin, &HandleStats},
    Route{"GET", "/", "dashboard", Dialect::kNative, Scope::kAdmin, &HandleDashboard},
};

bool IsSubtree(const Route& route) { return route.path.size() > 1 && route.path.ends_with('/'); }

}  // namespace

std::span<const Route> Routes() { return kRoutes; }

const Route* FindRoute(std::string_view path) {
  for (const Route& route : kRoutes) {
    if (route.path == path && !IsSubtree(route)) return &route;
    if (IsSubtree(route) && path.size() > route.path.size() && path.starts_with(route.path)) return &route;
  }
  return nullptr;
}

bool MethodAllowed(const Route& route, std::string_view method) {
  return method == route.method || (method == "HEAD" && route.method == "GET");
}

std::string_view AllowedMethods(const Route& route) { return route.method == "GET" ? "GET, HEAD" : "POST"; }

Status CheckDoor(const Route& route, const net::Peer& peer, bool admin_only) {
  if (peer.admin && route.method == "POST") {
    return {Code::kNotFound,
            "photos are not taken here, on the admin listener: send them to the server's main port"};
  }
  if (route.scope == Scope::kAdmin && admin_only && !peer.admin) {
    return {Code::kNotFound,
            std::string(route.path) + " is served on the admin listener only (--admin-port)"};
  }
  return Status::Ok();
}

Dialect DialectOf(std::string_view path) {
  if (const Route* route = FindRoute(path)) return route->dialect;
  return path.starts_with("/v1/") ? Dialect::kOpenAi : Dialect::kNative;
}

ApiError NoSuchRoute(std::string_view path) {
  std::string message = "there is no \"" + std::string(path.substr(0, 128)) + "\"; the routes are";
  const char* separator = " ";
  for (const Route& route : kRoutes) {
    ((message += separator) += route.method) += ' ';
    message += route.path;
    if (IsSubtree(route)) message += "{id}";
    separator = ", ";
  }
  return ApiError{Status(Code::kNotFound, std::move(message))};
}

}  // namespace photovec::api
