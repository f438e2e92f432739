// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/memory_budget.h"

namespace photovec::net {

/// A reply, complete before its first byte is sent.
struct Response {
  int status = 200;
  std::string_view content_type = "application/json";             ///< a literal
  std::vector<std::pair<std::string_view, std::string>> headers;  ///< names are literals
  std::string body;
  Reservation paid = {};  ///< pays for `body` until it is sent
  bool close = false;     ///< close the connection afterwards
  bool silent = false;    ///< the client is gone: count the status, send nothing
};

/// How the head of a reply is written.
struct HeadOptions {
  bool keep_alive = true;
  bool http11 = true;
  std::string_view date;  ///< IMF-fixdate
};

/// Status line and header fields with the empty line; the body follows (not after HEAD).
/// Header values are stripped of CR, LF and NUL, so that nothing a client sent can split the reply.
std::string WriteHead(const Response& response, const HeadOptions& options);

/// "OK", "Not Found", ...; "Unknown" for one we never send.
std::string_view ReasonPhrase(int http_status);

/// The client went away: nothing to send, counted as 499.
Response ClientGone();

}  // namespace photovec::net
