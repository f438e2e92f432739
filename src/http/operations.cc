// SPDX-License-Identifier: MIT
#include <string>

#include "http/dashboard.h"
#include "http/handlers.h"

namespace photovec::http {
namespace {

/// Expositions take about a millisecond: always on the worker pool.
constexpr size_t kExposition = kInlineBytes + 1;

}  // namespace

std::string_view NotReadyReason(const Services& services) {
  if (services.pipeline.device_failed()) return "device_failed";
  if (services.draining.load()) return "draining";
  if (!services.ready.load()) return "warming_up";
  return {};
}

Task<Response> HandleHealthz(Exchange&) {
  Response response;
  response.body = "{\"status\":\"ok\"}\n";
  co_return response;
}

Task<Response> HandleReadyz(Exchange& exchange) {
  Response response;
  const std::string_view reason = NotReadyReason(exchange.services);
  if (reason.empty()) {
    response.body = "{\"status\":\"ready\"}\n";
  } else {
    response.status = HttpStatus(Code::kUnavailable);
    response.headers.emplace_back("Retry-After", "1");
    response.body = "{\"status\":\"not_ready\",\"reason\":\"" + std::string(reason) + "\"}\n";
  }
  co_return response;
}

Task<Response> HandleMetrics(Exchange& exchange) {
  Response response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  const auto write = [&] { response.body = exchange.services.registry.PrometheusText(); };
  const Status written = co_await exchange.RunSized(kExposition, write);
  if (!written.ok()) co_return exchange.Error(written);
  co_return response;
}

Task<Response> HandleStats(Exchange& exchange) {
  Response response;
  response.headers.emplace_back("Cache-Control", "no-store");
  const auto write = [&] { response.body = exchange.services.registry.StatsJson(); };
  const Status written = co_await exchange.RunSized(kExposition, write);
  if (!written.ok()) co_return exchange.Error(written);
  co_return response;
}

Task<Response> HandleDashboard(Exchange&) {
  Response response;
  response.content_type = "text/html; charset=utf-8";
  response.headers.emplace_back("Content-Security-Policy",
                                "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
                                "connect-src 'self'; img-src data:; frame-ancestors 'none'");
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  response.body = DashboardHtml();
  co_return response;
}

}  // namespace photovec::http
