// SPDX-License-Identifier: MIT
#include "net/client.h"

#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cerrno>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "net/media_type.h"

namespace photovec::net {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using ErrorCode = boost::system::error_code;

constexpr uint64_t kMaxReplyBytes = uint64_t{1} << 30;
// A connection that the server closed before it saw the request breaks within a round trip on this machine.
constexpr int64_t kIdleRace_us = 50'000;

std::string_view View(boost::beast::string_view text) { return {text.data(), text.size()}; }

std::string Describe(const ErrorCode& error, bool got_bytes) {
  const bool http_error = error.category() == http::make_error_code(http::error::bad_method).category();
  if (error == http::error::end_of_stream || error == http::error::partial_message ||
      error == asio::error::eof) {
    return got_bytes ? "the connection ended within the reply" : "the connection ended before the reply";
  }
  return (http_error ? "the reply is not HTTP/1.1: " : "the connection broke: ") + error.message();
}

}  // namespace

std::string_view ClientReply::Header(std::string_view name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

ClientConnection::ClientConnection(asio::io_context& context, uint16_t port)
    : socket_(context), port_(port) {}

void ClientConnection::Close() {
  ErrorCode ignored;  // the descriptor is gone in any case
  socket_.close(ignored);
  buffer_.clear();
}

void ClientConnection::Abort() {
  aborted_ = true;
  ErrorCode ignored;
  socket_.close(ignored);
}

/// False when the server has closed a kept connection, or sent what nobody asked for.
bool ClientConnection::Usable() {
  if (!socket_.is_open() || buffer_.size() > 0) return false;
  char byte = 0;
  const ssize_t n = recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

asio::awaitable<std::string> ClientConnection::Connect() {
  Close();
  ErrorCode error;
  const tcp::endpoint server(asio::ip::address_v4::loopback(), port_);
  co_await socket_.async_connect(server, asio::redirect_error(asio::use_awaitable, error));
  if (!error) socket_.set_option(tcp::no_delay(true), error);
  if (!error && !aborted_) co_return std::string();
  Close();
  co_return "cannot connect to port " + std::to_string(port_) + ": " + error.message();
}

asio::awaitable<void> ClientConnection::Exchange(std::span<const std::string_view> pieces,
                                                 ClientOutcome* outcome, bool* got_bytes) {
  std::vector<asio::const_buffer> buffers;
  buffers.reserve(pieces.size());
  for (const std::string_view piece : pieces) buffers.emplace_back(piece.data(), piece.size());
  ErrorCode write_error;
  co_await asio::async_write(socket_, buffers, asio::redirect_error(asio::use_awaitable, write_error));
  // A server may answer (413, 503) and close before it has read everything: the reply is read in any case.
  http::response_parser<http::string_body> parser;
  parser.body_limit(kMaxReplyBytes);
  ErrorCode error;
  co_await http::async_read(socket_, buffer_, parser, asio::redirect_error(asio::use_awaitable, error));
  outcome->done_us = NowMicros();
  *got_bytes = parser.got_some() || buffer_.size() > 0;
  if (error) {
    outcome->failure = Describe(write_error && !*got_bytes ? write_error : error, *got_bytes);
    Close();
    co_return;
  }
  auto& response = parser.get();
  outcome->failure.clear();
  outcome->reply = {};
  outcome->reply.status = static_cast<int>(response.result_int());
  for (const auto& field : response.base()) {
    outcome->reply.headers.emplace(LowerAscii(View(field.name_string())), View(field.value()));
  }
  outcome->reply.body = std::move(response.body());
  if (!parser.keep_alive() || write_error) Close();
}

asio::awaitable<ClientOutcome> ClientConnection::Ask(std::span<const std::string_view> pieces) {
  ClientOutcome outcome;
  bool reused = Usable();
  for (;;) {
    if (!reused) {
      std::string failure = "broken off";  // after Abort() nothing is begun anew
      if (!aborted_) failure = co_await Connect();
      if (!failure.empty()) {
        outcome.failure = std::move(failure);
        outcome.connected = false;
        outcome.done_us = NowMicros();
        if (outcome.sent_us == 0) outcome.sent_us = outcome.done_us;
        co_return outcome;
      }
    }
    outcome.connected = true;
    const int64_t begin_us = NowMicros();
    if (outcome.sent_us == 0) outcome.sent_us = begin_us;
    bool got_bytes = false;
    co_await Exchange(pieces, &outcome, &got_bytes);
    const bool idle_race = reused && !got_bytes && outcome.done_us - begin_us < kIdleRace_us;
    if (outcome.failure.empty() || aborted_ || !idle_race) co_return outcome;
    reused = false;
  }
}

Result<ClientReply> Client::Ask(std::span<const std::string_view> pieces) {
  ClientOutcome outcome;
  bool done = false;
  const auto ask = [&]() -> asio::awaitable<void> {
    outcome = co_await connection_.Ask(pieces);
    done = true;
  };
  context_.restart();
  asio::co_spawn(context_, ask, asio::detached);
  context_.run_for(patience_);
  if (!done) {
    connection_.Abort();
    context_.restart();
    context_.run();
    outcome.failure = "no reply within " + std::to_string(patience_.count()) + " ms";
  }
  if (outcome.failure.empty()) return std::move(outcome.reply);
  return Status(Code::kUnavailable, std::move(outcome.failure));
}

Result<ClientReply> Client::Get(std::string_view path) {
  const std::string head = "GET " + std::string(path) + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
  const std::string_view pieces[] = {head};
  return Ask(pieces);
}

}  // namespace photovec::net
