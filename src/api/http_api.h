// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "api/access.h"
#include "api/access_log.h"
#include "api/embed_service.h"
#include "api/log_metrics.h"
#include "api/services.h"
#include "metrics/registry.h"
#include "net/handler.h"
#include "pipeline/pipeline.h"
#include "request_log/writer.h"

namespace photovec::api {

struct HttpApiOptions {
  std::chrono::milliseconds request_deadline{
      300'000};  ///< after that an image not yet encoded is deadline_exceeded
  bool admin_only =
      false;  ///< /metrics, /stats and the dashboard are served to the admin listener's peers alone
  std::chrono::milliseconds default_deadline{0};   ///< for a request that names no time; 0: none of its own
  int usual_items = 0;                             ///< as EmbedService's
  request_log::RequestLog* request_log = nullptr;  ///< borrowed; must outlive the API; null: off
  AccessLog* access_log = nullptr;                 ///< the same
  AccessOptions access = {};
  std::vector<std::string> image_formats =
      {};  ///< that are decoded, as /v1/models lists them; empty: it does not
};

/// All protocols over HTTP on top of one pipeline, by the table in routes.cc: what a net::Server serves.
/// docs/api.md describes them; who may use them, AccessControl. Thread-safe.
class HttpApi final : public net::Handler {
 public:
  /// \param pipeline, registry borrowed; must outlive it.
  HttpApi(pipeline::Pipeline& pipeline, metrics::Registry& registry, HttpApiOptions options = {});

  /// What /readyz says; not ready until somebody says so.
  void SetReadiness(Readiness readiness) { services_.readiness.store(readiness); }
  void SetReady(bool ready) { SetReadiness(ready ? Readiness::kReady : Readiness::kWarmingUp); }

  net::Task<net::Response> Handle(net::ServerRequest& request) override;
  net::Response Refuse(std::string_view label, const net::HttpError& error) override;

 private:
  const HttpApiOptions options_;
  const EmbedService embed_;
  HttpMetrics metrics_;
  AccessControl access_;
  const LogMetrics log_metrics_;
  Services services_;
};

}  // namespace photovec::api
