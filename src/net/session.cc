// SPDX-License-Identifier: MIT
#include "net/session.h"

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <ctime>
#include <optional>
#include <utility>

#include "base/log.h"
#include "net/body_reader.h"
#include "net/event_loop.h"
#include "net/handler.h"
#include "net/request_parser.h"
#include "net/server.h"

namespace photovec::net {
namespace {

namespace asio = boost::asio;

Deadline In(int64_t ms) { return Deadline::After(std::chrono::milliseconds(ms)); }

/// How reading a head ended.
struct HeadOutcome {
  bool complete = false;
  std::optional<HttpError> error;  ///< neither this nor complete: the client went away
};

/// RFC 9112 §2.2: an empty line before a request is to be ignored.
void SkipEmptyLines(ConnectionIo& io) {
  while (io.buffered().starts_with("\r\n")) io.Consume(2);
}

Task<HeadOutcome> ReadHead(ConnectionIo& io, RequestParser& parser, Deadline deadline) {
  HeadOutcome outcome;
  for (;;) {
    SkipEmptyLines(io);
    const std::string_view data = io.buffered();
    if (!data.empty() && data != "\r") {
      RequestParser::HeadProgress progress = parser.FeedHead(data);
      io.Consume(progress.used);
      outcome.complete = progress.complete;
      outcome.error = std::move(progress.error);
      if (outcome.complete || outcome.error) co_return std::move(outcome);
    }
    const IoResult result = co_await io.Fill(deadline);
    if (result == IoResult::kEnd) co_return std::move(outcome);
    if (result == IoResult::kTimeout) {
      outcome.error = HttpError{Status(Code::kRequestTimeout, "the request's header did not arrive in time")};
      co_return std::move(outcome);
    }
  }
}

std::optional<HttpError> CheckHost(const SessionContext& context, const RequestHead& head) {
  if (context.hosts == nullptr) return std::nullopt;
  Status allowed = context.hosts->Check(head.host);
  if (allowed.ok()) return std::nullopt;
  return HttpError{std::move(allowed), 421, "host_not_allowed"};
}

/// Not written where it is used: g++ 12 destroys the parts of such a temporary twice in a coroutine.
HttpError SpeaksTls() {
  return HttpError{Status(Code::kInvalidRequest, "this port speaks TLS: use https://")};
}

/// What one request after the other of a connection needs.
struct Connection {
  ConnectionIo& io;
  const SessionContext& context;
  EventLoop& loop;
};

Task<IoResult> Send(Connection& connection, const Response& response, bool keep, bool http11,
                    bool with_body) {
  HeadOptions options;
  options.keep_alive = keep;
  options.http11 = http11;
  options.date = connection.loop.date.Now();
  const std::string head = WriteHead(response, options);
  const std::string_view body = with_body ? std::string_view(response.body) : std::string_view();
  const Deadline deadline = In(connection.context.options.body_timeout_ms);
  const IoResult sent = co_await connection.io.Write(head, body, deadline);
  co_return sent;
}

/// A request whose header cannot be trusted: nobody knows where the next one begins, so the connection ends.
Task<void> Refuse(Connection& connection, const HttpError& error) {
  HttpError refusal = error;
  refusal.peer = connection.io.peer().address;
  const Response response = connection.context.handler.Refuse("malformed", refusal);
  const IoResult sent = co_await Send(connection, response, false, true, true);
  if (sent == IoResult::kOk) co_await connection.io.LingeringClose(connection.loop.discard_pace);
}

/// Serves the request whose head is parsed. True when the connection goes on.
Task<bool> ServeRequest(Connection& connection, RequestParser& parser, const RequestHead& head) {
  const SessionContext& context = connection.context;
  const BodyLimits limits{context.options.max_body_bytes,
                          std::chrono::milliseconds(context.options.body_timeout_ms)};
  BodyReader body(connection.io, parser, head, context.budget, limits);
  const auto draining = [&context] { return context.phase.load() != DrainPhase::kServing; };
  ServerRequest request{connection.io, head, body, context.workers, draining()};
  const Response response = co_await context.handler.Handle(request);
  if (response.silent) co_return false;

  const bool keep = head.keep_alive && !response.close && !draining() && body.CanDiscard();
  const IoResult sent = co_await Send(connection, response, keep, head.http11, head.method != "HEAD");
  bool drained = false;
  if (keep && sent == IoResult::kOk) drained = co_await body.Discard();
  connection.io.slot().EndWork();  // after the last of the body, whose reading begins and ends work
  if (keep || sent != IoResult::kOk) co_return drained;
  // Closing while unread bytes lie in the socket would reset it, and the reply with it.
  if (!body.complete() || !connection.io.buffered().empty())
    co_await connection.io.LingeringClose(connection.loop.discard_pace);
  co_return false;
}

/// One request. True when the connection goes on.
Task<bool> ServeNext(Connection& connection) {
  RequestParser parser;
  const Deadline deadline = In(connection.context.options.header_timeout_ms);
  const HeadOutcome outcome = co_await ReadHead(connection.io, parser, deadline);
  if (outcome.error) co_await Refuse(connection, *outcome.error);
  if (!outcome.complete) co_return false;
  const Result<RequestHead, HttpError> head = parser.Head();
  if (!head.ok()) {
    co_await Refuse(connection, head.error());
    co_return false;
  }
  const std::optional<HttpError> misdirected = CheckHost(connection.context, *head);
  if (misdirected) {
    co_await Refuse(connection, *misdirected);
    co_return false;
  }
  if (!connection.io.slot().BeginWork()) co_return false;  // thrown out for others
  const bool keep = co_await ServeRequest(connection, parser, *head);
  co_return keep;
}

/// Waits for the first byte, so that what never speaks is idle like any other, then for the handshake.
Task<bool> BeginTls(Connection& connection) {
  ConnectionIo& io = connection.io;
  const Deadline deadline = In(connection.context.options.header_timeout_ms);
  io.set_idle(true);
  const IoResult woken = co_await io.WaitReadable(deadline);
  io.set_idle(false);
  if (woken != IoResult::kOk) co_return false;
  const IoResult result = co_await io.Handshake(deadline);
  const TlsCounters& counters = connection.context.tls_counters;
  metrics::Counter* const ended = result == IoResult::kOk ? counters.done : counters.failed;
  if (ended != nullptr) ended->Add();
  if (result == IoResult::kOk) co_return true;
  const std::string why = result == IoResult::kTimeout ? "it did not end in time" : io.tls()->failure();
  log::debug("TLS with {} failed: {}", io.peer().address, why);
  if (io.tls()->plain_http()) {
    io.DropTls();
    const HttpError error = SpeaksTls();
    co_await Refuse(connection, error);
  }
  co_return false;
}

}  // namespace

std::string_view DateLine::Now() {
  const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  if (now == second_) return text_;
  second_ = now;
  std::tm parts{};
  gmtime_r(&now, &parts);
  constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::array<char, 64> text{};
  // Not strftime: its names follow the locale.
  const int n = std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                              kDays.at(static_cast<size_t>(parts.tm_wday)), parts.tm_mday,
                              kMonths.at(static_cast<size_t>(parts.tm_mon)), 1900 + parts.tm_year,
                              parts.tm_hour, parts.tm_min, parts.tm_sec);
  text_.assign(text.data(), static_cast<size_t>(n));
  return text_;
}

Task<void> ServeConnection(std::shared_ptr<ConnectionIo> io, const SessionContext& context, EventLoop& loop) {
  Connection connection{*io, context, loop};
  std::chrono::milliseconds patience(context.options.header_timeout_ms);
  bool open = true;
  if (io->tls() != nullptr) open = co_await BeginTls(connection);
  while (open) {
    if (io->buffered().empty()) {
      if (context.phase.load() == DrainPhase::kClosing) patience = std::min(patience, kDrainGrace);
      io->set_idle(true);
      const IoResult result = co_await io->Fill(Deadline::After(patience));
      io->set_idle(false);
      if (result != IoResult::kOk) break;
    } else {
      co_await asio::post(io->executor(), asio::use_awaitable);  // a pipelining client is not the only one
    }
    open = co_await ServeNext(connection);
    patience = std::chrono::milliseconds(context.options.idle_timeout_ms);
  }
  io->Abort();
}

}  // namespace photovec::net
