// SPDX-License-Identifier: MIT
#include <string>

#include "api/handlers.h"

namespace photovec::api {
std::string_view NotReadyReason(const Exchange& exchange) {
  if (exchange.services.pipeline.device_failed()) return "device_failed";
  if (exchange.request.draining) return "draining";
  const Readiness readiness = exchange.services.readiness.load();
  return readiness == Readiness::kReady ? std::string_view() : ReadinessName(readiness);
}

net::Task<net::Response> HandleHealthz(Exchange&) {
  net::Response response;
  response.body = "{\"status\":\"ok\"}\n";
  co_return response;
}

net::Task<net::Response> HandleReadyz(Exchange& exchange) {
  net::Response response;
  const std::string_view reason = NotReadyReason(exchange);
  if (reason.empty()) {
    response.body = "{\"status\":\"ready\"}\n";
  } else {
    response.status = HttpStatus(Code::kUnavailable);
    response.headers.emplace_back("Retry-After", "1");
    response.body = "{\"status\":\"not_ready\",\"reason\":\"" + std::string(reason) + "\"}\n";
  }
  co_return response;
}

net::Task<net::Response> HandleMetrics(Exchange& exchange) {
  net::Response response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  const auto write = [&] { response.body = exchange.services.registry.PrometheusText(); };
  const Status written = co_await exchange.request.RunOn(exchange.services.expositions, write);
  if (!written.ok()) co_return exchange.Error(written);
  co_return response;
}

net::Task<net::Response> HandleStats(Exchange& exchange) {
  net::Response response;
  response.headers.emplace_back("Cache-Control", "no-store");
  const auto write = [&] { response.body = exchange.services.registry.StatsJson(); };
  const Status written = co_await exchange.request.RunOn(exchange.services.expositions, write);
  if (!written.ok()) co_return exchange.Error(written);
  co_return response;
}

net::Task<net::Response> HandleDashboard(Exchange&) {
  net::Response response;
  response.content_type = "text/html; charset=utf-8";
  response.headers.emplace_back("Content-Security-Policy",
                                "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
                                "connect-src 'self'; img-src data:; frame-ancestors 'none'");
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  response.body = DashboardHtml();
  co_return response;
}

}  // namespace photovec::api
