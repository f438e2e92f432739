// SPDX-License-Identifier: MIT
#pragma once

#include <boost/beast/core/string_type.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/result.h"
#include "net/chunk_decoder.h"
#include "net/request_head.h"

namespace photovec::net {

/// The parser of one request, fed from memory: the head first (Beast's parser, and this is the one place that
/// knows it), then, only where the body is chunked, the body. Not thread-safe.
class RequestParser {
 public:
  RequestParser();
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  struct HeadProgress {
    bool complete = false;
    size_t used = 0;                 ///< bytes taken from `data`
    std::optional<HttpError> error;  ///< 400 malformed or 431 too large: the connection must be closed
  };
  HeadProgress FeedHead(std::string_view data);

  /// After a complete head: checks what Beast leaves open (a valid Host, one Content-Length,
  /// Transfer-Encoding is exactly "chunked", number of fields, form of the target) and copies the head out.
  /// After an error the connection must be closed, because nobody knows where the next request begins.
  Result<RequestHead, HttpError> Head() const;

  /// After a head with chunked == true.
  using ChunkProgress = ChunkDecoder::Progress;
  ChunkProgress FeedChunks(std::string_view data, std::span<uint8_t> dest) {
    return chunks_.Feed(data, dest);
  }
  bool body_done() const { return chunks_.done(); }

 private:
  Result<RequestHead> Extract() const;
  /// Whether a line of the head goes on in the next one (obs-fold), which readers understand differently.
  bool HasFold(std::string_view taken);

  boost::beast::http::request_parser<boost::beast::http::buffer_body> parser_;
  ChunkDecoder chunks_;
  bool line_ended_ = false;  // by the last byte that was taken
};

}  // namespace photovec::net
