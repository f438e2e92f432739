// SPDX-License-Identifier: MIT
#include "api/http_api.h"

#include <exception>
#include <string>
#include <utility>

#include "api/exchange.h"
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

net::Task<net::Response> Dispatch(Exchange& exchange, const Route* route) {
  if (route == nullptr) co_return exchange.Error(NoSuchRoute(exchange.request.head.path));
  if (!MethodAllowed(*route, exchange.request.head.method)) co_return MethodNotAllowed(exchange, *route);
  if (route->method == "POST") {
    Status admitted = CheckEncoding(exchange.request.head);
    if (admitted.ok()) admitted = exchange.request.body.Admit(net::AddressGroup(exchange.caller.id));
    if (!admitted.ok()) co_return exchange.Error(admitted);
  }
  std::string failure;
  try {
    net::Response response = co_await route->handler(exchange);
    co_return std::move(response);
  } catch (const std::exception& error) {
    failure = error.what();
  }
  log::error("{} {} failed: {}", exchange.request.head.method, route->path, failure);
  co_return exchange.Error(Status(Code::kInternal, "unexpected failure: " + failure));
}

void LogRequest(const net::RequestHead& head, const net::Response& response, const RequestTiming& timing) {
  const auto ms = static_cast<double>(MicrosBetween(timing.started(), Clock::now())) / 1000.0;
  if (response.silent) {
    log::info("{} {} {} after {:.1f} ms: the client went away", head.method, head.path.substr(0, 128),
              response.status, ms);
  } else {
    log::debug("{} {} {} in {:.1f} ms", head.method, head.path.substr(0, 128), response.status, ms);
  }
}

/// The one place where requests that reached the pipeline are written down, however they ended.
void WriteRequestLog(request_log::RequestLog* log, Exchange& exchange, const Route& route, int status) {
  if (log == nullptr || exchange.opened == TimePoint{}) return;
  exchange.timing.Stop();  // an error's body is written by now
  log->Write(ToRecord({exchange.model, route.path, status, exchange.timing, exchange.opened,
                       exchange.result ? &*exchange.result : nullptr}));
}

int64_t UnixSeconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

}  // namespace

HttpApi::HttpApi(pipeline::Pipeline& pipeline, metrics::Registry& registry, HttpApiOptions options)
    : options_(options),
      embed_(pipeline, options.request_deadline),
      metrics_(registry),
      services_{embed_, pipeline, registry, metrics_, UnixSeconds(), {}} {}

net::Task<net::Response> HttpApi::Handle(net::ServerRequest& request) {
  Exchange exchange{services_, request, DialectOf(request.head.path), RequestTiming(request.started),
                    Caller{request.io.peer().address}};
  const Route* route = FindRoute(request.head.path);
  net::Response response = co_await Dispatch(exchange, route);
  exchange.PayForReply(response);
  metrics_.CountRequest(route != nullptr ? route->label : "unknown", response.status);
  LogRequest(request.head, response, exchange.timing);
  if (route != nullptr) WriteRequestLog(options_.request_log, exchange, *route, response.status);
  co_return response;
}

net::Response HttpApi::Refuse(std::string_view label, const net::HttpError& error) {
  ApiError refusal{error.status};
  refusal.code = error.code;
  refusal.http_status = error.http_status;
  net::Response response = ErrorResponse(Dialect::kNative, refusal);
  metrics_.CountRequest(label, response.status);
  return response;
}

}  // namespace photovec::api
