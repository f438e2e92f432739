// SPDX-License-Identifier: MIT
#pragma once

#include <boost/beast/core/string_type.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

#include "base/result.h"
#include "net/request_head.h"

namespace photovec::net {

/// Beast's parser of one request, fed from memory: the head first, then, only where the body is chunked, the
/// body. The one place that knows Beast. Not thread-safe.
class RequestParser {
 public:
  /// A chunked body of more pieces than this is refused: peers that send single bytes cost more than they
  /// carry.
  static constexpr size_t kMaxChunks = 65'536;

  RequestParser();
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  struct HeadProgress {
    bool complete = false;
    size_t used = 0;                 ///< bytes taken from `data`
    std::optional<HttpError> error;  ///< 400 malformed or 431 too large: the connection must be closed
  };
  HeadProgress FeedHead(std::string_view data);

  /// After a complete head: checks what Beast leaves open (Host, one Content-Length, Transfer-Encoding is
  /// exactly "chunked", number of fields, form of the target) and copies the head out.
  /// After an error the connection must be closed, because nobody knows where the next request begins.
  Result<RequestHead, HttpError> Head() const;

  struct ChunkProgress {
    size_t used = 0;     ///< bytes taken from `data`
    size_t written = 0;  ///< bytes of body put into `dest`
    Status status;       ///< kInvalidRequest: the chunks are malformed or too many
  };
  /// After a head with chunked == true.
  ChunkProgress FeedChunks(std::string_view data, std::span<uint8_t> dest);
  bool body_done() const { return parser_.is_done(); }

 private:
  Result<RequestHead> Extract() const;

  boost::beast::http::request_parser<boost::beast::http::buffer_body> parser_;
  std::function<void(uint64_t, boost::beast::string_view, boost::system::error_code&)> on_chunk_;
  size_t chunks_ = 0;
};

}  // namespace photovec::net
