// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

/// HTTP/1.1 to a server on this machine: what load generators and benchmarks measure with, so as cheap as a
/// client can be. Requests are written by the caller, head included, as pieces that are sent from where they
/// lie. (Object stores and origins are reached by fetch/http, over libcurl.)
namespace photovec::net {

struct ClientReply {
  int status = 0;
  std::map<std::string, std::string, std::less<>> headers;  ///< names in lower case
  std::string body;

  /// Empty when there is none of that name (in lower case).
  std::string_view Header(std::string_view name) const;
};

/// What became of one request. Times are MonotonicMicros().
struct ClientOutcome {
  ClientReply reply;
  std::string failure;  ///< why there is no reply; empty: there is one
  bool connected = false;
  int64_t sent_us = 0;  ///< its first byte went out, or it was found that it cannot
  int64_t done_us = 0;
};

/// One keep-alive connection to the server, opened when it is needed and again when the server has closed it.
/// One request at a time; on the loop's thread only. Must outlive an Ask that is under way.
class ClientConnection {
 public:
  ClientConnection(boost::asio::io_context& context, uint16_t port);

  /// Sends the request and reads the reply. A kept connection that turns out to be closed the moment it is
  /// used again is replaced once: a server may close an idle connection at any time, and no client counts
  /// that as an error (Go's net/http, which k6 uses, does the same).
  boost::asio::awaitable<ClientOutcome> Ask(std::span<const std::string_view> pieces);

  /// Breaks off whatever is under way; a waiting Ask returns soon with a failure, and nothing is begun anew.
  void Abort();

 private:
  boost::asio::awaitable<std::string> Connect();
  boost::asio::awaitable<void> Exchange(std::span<const std::string_view> pieces, ClientOutcome* outcome,
                                        bool* got_bytes);
  bool Usable();
  void Close();

  boost::asio::ip::tcp::socket socket_;
  const uint16_t port_;
  boost::beast::flat_buffer buffer_;
  bool aborted_ = false;
};

/// The same for a thread that waits. One thread at a time.
class Client {
 public:
  /// \param patience with one request; then the connection is broken off for good.
  explicit Client(uint16_t port, std::chrono::milliseconds patience = std::chrono::hours(1))
      : patience_(patience), connection_(context_, port) {}

  /// Errors: kUnavailable with the reason (no connection, no reply in time, not HTTP). Any status is a reply.
  Result<ClientReply> Ask(std::span<const std::string_view> pieces);
  Result<ClientReply> Get(std::string_view path);

 private:
  const std::chrono::milliseconds patience_;
  boost::asio::io_context context_{1};
  ClientConnection connection_;
};

}  // namespace photovec::net
