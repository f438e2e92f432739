// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"

namespace photovec::fetch {

/// A small request to an endpoint that the operator configured or the platform defines (token endpoints,
/// metadata servers): never to a host that a client named.
struct HttpCall {
  std::string method = "GET";
  std::string url;                   ///< http or https
  std::vector<std::string> headers;  ///< "Name: value"
  std::string body;                  ///< sent with POST and PUT
  std::chrono::milliseconds timeout{5'000};
  std::chrono::milliseconds connect_timeout{2'000};
};

struct HttpAnswer {
  long status = 0;
  std::map<std::string, std::string> headers;  ///< names in lower case
  std::string body;                            ///< at most 1 MiB
};

/// How credentials talk to the network; tests put their own in place.
class HttpCaller {
 public:
  virtual ~HttpCaller() = default;
  /// Blocks for up to the timeout; follows no redirect, uses no proxy, verifies TLS. Any status is an answer.
  /// Thread-safe. Errors: kSourceTimeout, kSourceFailed (no connection, TLS, a body over 1 MiB). Messages
  /// name the host, never the query, headers or bodies.
  virtual Result<HttpAnswer> Call(const HttpCall& call) const = 0;
};

/// Over libcurl's easy interface.
class CurlCaller final : public HttpCaller {
 public:
  Result<HttpAnswer> Call(const HttpCall& call) const override;
};

}  // namespace photovec::fetch
