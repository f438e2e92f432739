// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <cstdint>
#include <string>

#include "experiment/load/load_message.h"

namespace photovec::experiment {

/// What became of one POST. Microseconds of CLOCK_MONOTONIC.
struct PostOutcome {
  LoadReply reply;
  std::string failure;  ///< why there is no reply; empty: there is one
  bool connected = false;
  int64_t sent_us = 0;  ///< its first byte went out, or it was found that it cannot
  int64_t done_us = 0;
};

/// One keep-alive connection to the server, opened when it is needed and again when the server has closed it.
/// One request at a time; on the loop's thread only. Must outlive a Post that is under way.
class LoadConnection {
 public:
  LoadConnection(boost::asio::io_context& context, uint16_t port);

  /// Sends the message and reads the reply. A kept connection that turns out to be closed the moment it is
  /// used again is replaced once: a server may close an idle connection at any time, and no client counts
  /// that as an error (Go's net/http, which k6 uses, does the same).
  boost::asio::awaitable<PostOutcome> Post(const LoadMessage& message);

  /// Breaks off whatever is under way; a waiting Post returns soon with a failure.
  void Abort();

 private:
  boost::asio::awaitable<std::string> Connect();
  boost::asio::awaitable<void> Exchange(const LoadMessage& message, PostOutcome* outcome, bool* got_bytes);
  bool Usable();
  void Close();

  boost::asio::ip::tcp::socket socket_;
  const uint16_t port_;
  boost::beast::flat_buffer buffer_;
  bool aborted_ = false;
};

/// Now, on the clock of all samples.
int64_t MonotonicUs();

}  // namespace photovec::experiment
