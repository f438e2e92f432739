// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace photovec::experiment {

/// A request as the stub saw it.
struct StubRequest {
  uint64_t n = 0;  ///< in order of arrival
  std::string target;
  std::string content_type;
  std::string accept;
  std::string body;
  int64_t received_us = 0;  ///< CLOCK_MONOTONIC
};

/// What the stub does then.
struct StubReply {
  int64_t at_us = 0;    ///< when, CLOCK_MONOTONIC; 0 or past: at once
  std::string bytes{};  ///< sent as they are; empty: nothing is sent
  bool close = false;   ///< afterwards
  bool reset = false;   ///< afterwards, with a TCP RST
  bool never = false;   ///< the request stays unanswered
  bool die = false;     ///< the server closes its port and every connection, without sending
};

/// "HTTP/1.1 200 OK" with Content-Length.
std::string HttpReply(int status, std::string_view body, std::string_view headers = {});
/// What photovec answers to a request for so many images: 8 floats a vector.
std::string VectorReply(int images, std::string_view headers = {});

/// An HTTP server in this process that does what a test says. One event loop on a thread of its own.
class StubServer {
 public:
  using Handler = std::function<StubReply(const StubRequest&)>;  ///< on the server's thread
  explicit StubServer(Handler handler);
  ~StubServer();
  StubServer(const StubServer&) = delete;
  StubServer& operator=(const StubServer&) = delete;

  uint16_t port() const;
  std::vector<StubRequest> requests() const;  ///< so far
  uint64_t connections() const;               ///< accepted so far

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace photovec::experiment
