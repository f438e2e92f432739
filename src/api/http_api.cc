// SPDX-License-Identifier: MIT
#include "api/http_api.h"

#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "api/exchange.h"
#include "api/request_id.h"
#include "api/request_record.h"
#include "api/routes.h"
#include "base/log.h"
#include "net/address_group.h"

namespace photovec::api {
namespace {

net::Response MethodNotAllowed(const Exchange& exchange, const Route& route) {
  const std::string_view allowed = AllowedMethods(route);
  net::Response response = exchange.Error(Status(
      Code::kMethodNotAllowed,
      exchange.request.head.method.substr(0, 32) + " is not allowed here; use " + std::string(allowed)));
  response.headers.emplace_back("Allow", allowed);
  return response;
}

Status CheckEncoding(const net::RequestHead& head) {
  if (head.content_encoding.empty() || head.content_encoding == "identity") return Status::Ok();
  return {Code::kUnsupportedFormat, "Content-Encoding is not understood: send the body as it is"};
}

net::Task<net::Response> Dispatch(Exchange& exchange, const Route* route, AccessControl& access,
                                  bool admin_only) {
  if (route == nullptr) co_return exchange.Error(NoSuchRoute(exchange.request.head.path));
  const Status here = CheckDoor(*route, exchange.request.io.peer(), admin_only);
  if (!here.ok()) co_return exchange.Error(here);
  if (access.origins().IsPreflight(exchange.request.head)) co_return PreflightReply(AllowedMethods(*route));
  if (!MethodAllowed(*route, exchange.request.head.method)) co_return MethodNotAllowed(exchange, *route);
  if (auto refused = access.Enter(exchange, *route)) co_return *std::move(refused);
  if (route->method == "POST") {
    Status admitted = CheckEncoding(exchange.request.head);
    if (admitted.ok()) {
      if (const auto refused = exchange.AdmitHead()) co_return exchange.Error(*refused);
      admitted = exchange.request.body.Admit(net::AddressGroup(exchange.caller.id));
    }
    if (!admitted.ok()) co_return exchange.Error(admitted);
  }
  std::string failure;
  try {
    net::Response response = co_await route->handler(exchange);
    co_return std::move(response);
  } catch (const std::exception& error) {
    failure = error.what();
  }
  log::error("{} {} failed: {} (request {})", exchange.request.head.method, route->path, failure,
             exchange.request_id);
  co_return exchange.Error(Status(Code::kInternal, "unexpected failure: " + failure));
}

void LogRequest(const Exchange& exchange, const net::Response& response) {
  const net::RequestHead& head = exchange.request.head;
  const auto ms = static_cast<double>(MicrosBetween(exchange.timing.started(), Clock::now())) / 1000.0;
  if (response.silent) {
    log::info("{} {} {} after {:.1f} ms: the client went away (request {})", head.method,
              head.path.substr(0, 128), response.status, ms, exchange.request_id);
  } else {
    log::debug("{} {} {} in {:.1f} ms (request {})", head.method, head.path.substr(0, 128), response.status,
               ms, exchange.request_id);
  }
}

/// The one place where requests that reached the pipeline are written down, however they ended.
void WriteRequestLog(request_log::RequestLog* log, Exchange& exchange, const Route& route, int status) {
  if (log == nullptr || exchange.opened == TimePoint{}) return;
  exchange.timing.Stop();  // an error's body is written by now
  log->Write(
      ToRecord({exchange.model, route.path, status, exchange.timing, exchange.opened,
                exchange.result ? &*exchange.result : nullptr, exchange.request_id, exchange.traceparent}));
}

std::vector<LogMetrics::Source> LogSources(const HttpApiOptions& options) {
  std::vector<LogMetrics::Source> sources;
  if (auto* log = options.request_log) sources.push_back({"request", [log] { return log->lost(); }});
  if (auto* log = options.access_log) sources.push_back({"access", [log] { return log->lost(); }});
  return sources;
}

int64_t UnixSeconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

}  // namespace

HttpApi::HttpApi(pipeline::Pipeline& pipeline, metrics::Registry& registry, HttpApiOptions options)
    : options_(options),
      embed_(pipeline, options.request_deadline, options.usual_items),
      metrics_(registry),
      access_(options.access, registry),
      log_metrics_(registry, LogSources(options)),
      services_{embed_, pipeline, registry, metrics_, UnixSeconds(), {}} {
  services_.image_formats = options.image_formats;
  services_.limits = {options.request_deadline, options.default_deadline};
}

net::Task<net::Response> HttpApi::Handle(net::ServerRequest& request) {
  Exchange exchange{services_, request, DialectOf(request.head.path), RequestTiming(request.started),
                    Caller{request.io.peer().address, nullptr}};
  exchange.request_id = RequestIdOf(request.head.request_id);
  exchange.traceparent = CheckedTraceparent(request.head.traceparent);
  const Route* route = FindRoute(request.head.path);
  net::Response response = co_await Dispatch(exchange, route, access_, options_.admin_only);
  exchange.PayForReply(response);
  response.headers.emplace_back("X-Request-Id", exchange.request_id);
  if (!exchange.traceparent.empty()) response.headers.emplace_back("traceparent", exchange.traceparent);
  access_.origins().AddHeaders(request.head, response);
  access_.Leave(exchange);
  metrics_.CountRequest(route != nullptr ? route->label : "unknown", response.status);
  LogRequest(exchange, response);
  if (options_.access_log != nullptr) {
    options_.access_log->Write(exchange, route != nullptr ? route->path : request.head.path, response);
  }
  if (route != nullptr) WriteRequestLog(options_.request_log, exchange, *route, response.status);
  co_return response;
}

net::Response HttpApi::Refuse(std::string_view label, const net::HttpError& error) {
  ApiError refusal{error.status};
  refusal.code = error.code;
  refusal.http_status = error.http_status;
  net::Response response = ErrorResponse(Dialect::kNative, refusal);
  const std::string id = RequestIdOf({});
  response.headers.emplace_back("X-Request-Id", id);
  if (options_.access_log != nullptr) options_.access_log->WriteRefusal(error.peer, id, response);
  metrics_.CountRequest(label, response.status);
  return response;
}

}  // namespace photovec::api
