// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>

#include "api/embed_service.h"
#include "api/services.h"
#include "metrics/registry.h"
#include "net/handler.h"
#include "pipeline/pipeline.h"
#include "request_log/writer.h"

namespace photovec::api {

struct HttpApiOptions {
  std::chrono::milliseconds request_deadline{
      300'000};  ///< after that an image not yet encoded is deadline_exceeded
  std::chrono::milliseconds default_deadline{0};   ///< for a request that names no time; 0: none of its own
  request_log::RequestLog* request_log = nullptr;  ///< borrowed; must outlive the API; null: off
};

/// All protocols over HTTP on top of one pipeline, by the table in routes.cc: what a net::Server serves.
/// docs/api.md describes them. Thread-safe.
class HttpApi final : public net::Handler {
 public:
  /// \param pipeline, registry borrowed; must outlive it.
  HttpApi(pipeline::Pipeline& pipeline, metrics::Registry& registry, HttpApiOptions options = {});

  /// After a warm-up encode succeeded; until then /readyz says 503.
  void SetReady(bool ready) { services_.ready.store(ready); }

  net::Task<net::Response> Handle(net::ServerRequest& request) override;
  net::Response Refuse(std::string_view label, const net::HttpError& error) override;

 private:
  const HttpApiOptions options_;
  const EmbedService embed_;
  HttpMetrics metrics_;
  Services services_;
};

}  // namespace photovec::api
