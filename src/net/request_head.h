// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace photovec::net {

inline constexpr size_t kMaxHeaderBytes = 16 * 1024;
inline constexpr size_t kMaxHeaderFields = 100;

/// A request that could not be understood as HTTP, or not taken: 400, 408, 421, 431, 503.
struct HttpError {
  Status status;
  int http_status =
      0;  ///< instead of the table's (base/status.h); only for 421 and 431, which no Code stands for
  std::string_view code = {};  ///< instead of the status's name; a literal
  std::string peer = {};       ///< the address whose request it was, for logs
};

/// What photovec looks at in a request's head. Owned copies: valid as long as it lives.
struct RequestHead {
  std::string method;
  std::string path;   ///< as sent, without the query
  std::string query;  ///< without the question mark
  std::string accept;
  std::string content_type;
  std::string content_encoding;
  std::string model_header;      ///< X-Photovec-Model
  std::string normalize_header;  ///< X-Photovec-Normalize
  std::string host;
  std::string origin;           ///< of a browser's script
  std::string fetch_site;       ///< Sec-Fetch-Site, of a browser
  std::string authorization;    ///< secret: never logged
  std::string api_key_header;   ///< X-API-Key; secret: never logged
  std::string request_id;       ///< X-Request-Id, as sent: not checked
  std::string traceparent;      ///< as sent: not checked
  std::string timeout_header;   ///< X-Request-Timeout-Ms
  std::string openai_timeout;   ///< X-Stainless-Read-Timeout or X-Stainless-Timeout: seconds
  std::string priority_header;  ///< X-Priority
  bool http11 = true;
  bool keep_alive = true;
  bool expect_continue = false;
  bool chunked = false;
  std::optional<uint64_t> content_length;

  bool has_body() const { return chunked || content_length.value_or(0) > 0; }
  /// The decoded value of a query parameter; nullopt when absent.
  std::optional<std::string> QueryParameter(std::string_view name) const;
};

}  // namespace photovec::net
