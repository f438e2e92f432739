// SPDX-License-Identifier: MIT
#include "api/access.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/text/ascii.h"
#include "base/text/base64.h"
#include "metrics/names.h"
#include "net/media_type.h"

namespace photovec::api {
namespace {

// "Bearer KEY", as of RFC 6750; empty for another scheme.
std::string_view CredentialsOf(std::string_view authorization, std::string_view scheme) {
  if (authorization.size() <= scheme.size() || authorization[scheme.size()] != ' ' ||
      !EqualIgnoringCase(authorization.substr(0, scheme.size()), scheme)) {
    return {};
  }
  return TrimAscii(authorization.substr(scheme.size()));
}

// Browsers cannot be told to send a bearer token, but ask for a password. It opens pages only: a browser
// sends it by itself, also when another site makes it.
bool TakesPassword(const Route& route) { return route.scope == Scope::kAdmin && route.method == "GET"; }

/// The key that the client sent, wherever it stands; empty: none.
std::string SentKey(const net::RequestHead& head, const Route& route) {
  if (const auto key = CredentialsOf(head.authorization, "Bearer"); !key.empty()) return std::string(key);
  if (!head.api_key_header.empty()) return std::string(TrimAscii(head.api_key_header));
  if (!TakesPassword(route)) return {};
  const auto decoded = Base64Decode(CredentialsOf(head.authorization, "Basic"));
  if (!decoded.ok()) return {};
  const size_t colon = decoded->find(':');
  return colon == std::string::npos ? std::string() : decoded->substr(colon + 1);
}

std::optional<uint64_t> BodyBytes(const net::RequestHead& head) {
  if (head.chunked) return std::nullopt;
  return head.content_length.value_or(0);
}

}  // namespace

std::optional<uint64_t> FailureLog::Note(const std::string& address, TimePoint now) {
  std::scoped_lock lock(mutex_);
  const auto it = known_.find(address);
  if (it != known_.end()) {
    ++it->second.since;
    if (now - it->second.told_at < kEvery) return std::nullopt;
    it->second.told_at = now;
    return std::exchange(it->second.since, 0);
  }
  if (known_.size() >= kMostAddresses) {
    std::erase_if(known_, [&](const auto& entry) { return now - entry.second.told_at >= kEvery; });
    if (known_.size() >= kMostAddresses) return std::nullopt;
  }
  known_.emplace(address, Known{now});
  return 1;
}

AccessControl::AccessControl(AccessOptions options, metrics::Registry& registry)
    : options_(std::move(options)), registry_(registry) {}

Status AccessControl::CheckBrowser(const Exchange& exchange, const Route& route) const {
  const net::RequestHead& head = exchange.request.head;
  RETURN_IF_ERROR(options_.origins.Judge(head));
  // Programs may send JSON under any name. A page could send it as text/plain to any site, unasked.
  const bool json_only = route.scope == Scope::kEmbed && route.method == "POST" && route.path != "/embed";
  if (!json_only || !FromBrowser(head)) return Status::Ok();
  if (net::IsJson(net::ParseParameterised(head.content_type).value)) return Status::Ok();
  return {Code::kUnsupportedFormat, "from a browser JSON is taken as Content-Type: application/json only"};
}

std::optional<net::Response> AccessControl::Enter(Exchange& exchange, const Route& route) {
  const Status browser = CheckBrowser(exchange, route);
  if (!browser.ok()) return exchange.Error(browser);
  exchange.caller.admin = options_.keys == nullptr;
  if (options_.keys == nullptr || route.scope == Scope::kNone) return std::nullopt;
  if (auto refused = CheckKey(exchange, route)) return refused;
  if (route.scope == Scope::kEmbed) return CheckQuota(exchange);
  return std::nullopt;
}

std::optional<net::Response> AccessControl::CheckKey(Exchange& exchange, const Route& route) {
  const std::string sent = SentKey(exchange.request.head, route);
  if (sent.empty()) {
    return TurnAway(
        exchange, route, "missing",
        Status(Code::kUnauthorized,
               "this server asks for an API key: send Authorization: Bearer KEY, or X-API-Key: KEY"));
  }
  auto key = options_.keys->Find(sent);
  if (key == nullptr) {
    return TurnAway(exchange, route, "wrong",
                    Status(Code::kUnauthorized, "the API key is none of this server's"));
  }
  const bool allowed = route.scope == Scope::kEmbed ? key->scopes.embed : key->scopes.admin;
  exchange.caller.id = key->id;
  exchange.caller.admin = key->scopes.admin;
  exchange.caller.quota = key->quota.value_or(options_.default_quota);
  exchange.caller.key = std::move(key);
  if (allowed) return std::nullopt;
  CountersOf(exchange.caller.id).refused->Add();
  return TurnAway(exchange, route, "scope",
                  Status(Code::kForbidden, "the API key \"" + exchange.caller.id + "\" lacks the scope \"" +
                                               (route.scope == Scope::kEmbed ? "embed" : "admin") + "\""));
}

net::Response AccessControl::TurnAway(const Exchange& exchange, const Route& route, std::string_view reason,
                                      Status status) {
  registry_
      .GetCounter(metrics::name::kAuthFailures, "Requests turned away for want of a fitting API key",
                  {{metrics::label::kReason, std::string(reason)}})
      ->Add();
  const std::string& address = exchange.request.io.peer().address;
  if (const auto times = failures_.Note(address, Clock::now())) {
    log::warn("{} was refused to {}: {} (request {}; {} refusals since the last such line)", route.label,
              address, status.message(), exchange.request_id, *times);
  }
  ApiError error{std::move(status)};
  const bool unknown = error.status.code() == Code::kUnauthorized;
  if (unknown && exchange.dialect == Dialect::kOpenAi) error.code = "invalid_api_key";
  net::Response response = exchange.Error(error);
  if (!unknown) return response;
  response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"photovec\"");
  if (TakesPassword(route)) response.headers.emplace_back("WWW-Authenticate", "Basic realm=\"photovec\"");
  return response;
}

std::optional<net::Response> AccessControl::CheckQuota(Exchange& exchange) {
  const Caller& caller = exchange.caller;
  uint64_t held = 0;
  const auto refusal =
      caller.key->use->Begin(caller.quota, BodyBytes(exchange.request.head), Clock::now(), &held);
  if (!refusal) {
    exchange.hold = QuotaHold(caller.key->use, held);
    return std::nullopt;
  }
  CountersOf(caller.id).refused->Add();
  const std::string key = "the API key \"" + caller.id + "\"";
  if (refusal->never) {
    return exchange.Error(
        Status(Code::kBodyTooLarge,
               "the body is larger than " + key + " may have in flight: send fewer images at a time"));
  }
  ApiError error{Status(Code::kRateLimited, key + " has used up its quota of " + std::string(refusal->what) +
                                                ": come back after the time in Retry-After")};
  error.retry_after_s = refusal->retry_after_s;
  return exchange.Error(error);
}

void AccessControl::Leave(const Exchange& exchange) {
  if (!exchange.caller.key) return;
  const KeyCounters counters = CountersOf(exchange.caller.id);
  counters.requests->Add();
  if (exchange.images > 0) counters.images->Add(static_cast<double>(exchange.images));
}

AccessControl::KeyCounters AccessControl::CountersOf(const std::string& id) {
  std::scoped_lock lock(mutex_);
  const auto known = counters_.find(id);
  if (known != counters_.end()) return known->second;
  const metrics::Labels labels = {{metrics::label::kKey, id}};
  KeyCounters counters{};
  counters.requests =
      registry_.GetCounter(metrics::name::kKeyRequests, "Requests with an API key, by its id", labels);
  counters.images =
      registry_.GetCounter(metrics::name::kKeyImages, "Images of requests with an API key", labels);
  counters.refused = registry_.GetCounter(
      metrics::name::kKeyRefused, "Requests with an API key that lacked the scope or the quota", labels);
  counters_.emplace(id, counters);
  return counters;
}

}  // namespace photovec::api
