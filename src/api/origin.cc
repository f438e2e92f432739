// SPDX-License-Identifier: MIT
#include "api/origin.h"

#include <algorithm>
#include <utility>

#include "base/text/ascii.h"

namespace photovec::api {
namespace {

// What a page may send and read beyond the few fields that it always may.
constexpr std::string_view kRequestFields =
    "Authorization, Content-Type, X-API-Key, X-Photovec-Model, X-Photovec-Normalize, X-Priority, "
    "X-Request-Id, "
    "X-Request-Timeout-Ms, traceparent";
constexpr std::string_view kReplyFields =
    "Retry-After, Server-Timing, X-Photovec-Cache, X-Photovec-Error-Count, X-Photovec-Errors, "
    "X-Photovec-Fingerprint, X-Photovec-Model, X-Photovec-Shape, X-Request-Id, traceparent";

constexpr std::string_view kHttp = "http://";
constexpr std::string_view kHttps = "https://";

std::string_view WithoutPort(std::string_view authority, std::string_view default_port) {
  return authority.ends_with(default_port) ? authority.substr(0, authority.size() - default_port.size())
                                           : authority;
}

// The scheme cannot be compared: TLS may end at a proxy.
bool IsSameOrigin(std::string_view origin, std::string_view host) {
  const bool secure = origin.starts_with(kHttps);
  if (!secure && !origin.starts_with(kHttp)) return false;
  const std::string_view port = secure ? ":443" : ":80";
  origin.remove_prefix(secure ? kHttps.size() : kHttp.size());
  return !host.empty() && EqualIgnoringCase(WithoutPort(origin, port), WithoutPort(host, port));
}

}  // namespace

Status OriginRules::Check(std::string_view origin) {
  const bool scheme = origin.starts_with(kHttp) || origin.starts_with(kHttps);
  const std::string_view rest = scheme ? origin.substr(origin.find("//") + 2) : std::string_view();
  if (!rest.empty() && rest.find_first_of("/?#*@ ") == std::string_view::npos) return Status::Ok();
  return {Code::kInvalidRequest, "--cors-origin " + std::string(origin.substr(0, 128)) +
                                     " is no origin: give scheme, host and port, such as "
                                     "https://photos.example.com, without a path; there is no wildcard"};
}

bool OriginRules::Allows(std::string_view origin) const {
  return std::any_of(allowed_.begin(), allowed_.end(),
                     [&](const std::string& allowed) { return EqualIgnoringCase(allowed, origin); });
}

Status OriginRules::Judge(const net::RequestHead& head) const {
  bool foreign = false;
  if (!head.origin.empty()) {
    foreign = !IsSameOrigin(head.origin, head.host) && !Allows(head.origin);
  } else if (head.method != "GET" && head.method != "HEAD") {
    foreign = head.fetch_site == "cross-site" || head.fetch_site == "same-site";
  }
  if (!foreign) return Status::Ok();
  return {Code::kForbidden,
          "pages of this origin may not use this server; --cors-origin names those that may"};
}

bool OriginRules::IsPreflight(const net::RequestHead& head) const {
  return head.method == "OPTIONS" && Allows(head.origin);
}

void OriginRules::AddHeaders(const net::RequestHead& head, net::Response& response) const {
  if (allowed_.empty()) return;
  response.headers.emplace_back("Vary", "Origin");
  if (!Allows(head.origin)) return;
  response.headers.emplace_back("Access-Control-Allow-Origin", head.origin);
  response.headers.emplace_back("Access-Control-Expose-Headers", kReplyFields);
}

bool FromBrowser(const net::RequestHead& head) { return !head.origin.empty() || !head.fetch_site.empty(); }

net::Response PreflightReply(std::string_view allowed_methods) {
  net::Response response;
  response.headers.emplace_back("Access-Control-Allow-Methods", allowed_methods);
  response.headers.emplace_back("Access-Control-Allow-Headers", kRequestFields);
  response.headers.emplace_back("Access-Control-Max-Age", "600");
  return response;
}

}  // namespace photovec::api
