// SPDX-License-Identifier: MIT
#include "net/session.h"

#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <ctime>
#include <exception>
#include <optional>
#include <utility>

#include "api/exchange.h"
#include "api/request_record.h"
#include "api/routes.h"
#include "base/log.h"
#include "net/body_reader.h"
#include "net/request_parser.h"
#include "net/response.h"
#include "request_log/writer.h"

namespace photovec::net {
namespace {

namespace asio = boost::asio;

Deadline In(int64_t ms) { return Deadline::After(std::chrono::milliseconds(ms)); }

/// How reading a head ended.
struct HeadOutcome {
  bool complete = false;
  std::optional<api::ApiError> error;  ///< neither this nor complete: the client went away
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
      outcome.error = api::ApiError{
          Status(Code::kRequestTimeout, "the request's header did not arrive in time"), "", "", 0};
      co_return std::move(outcome);
    }
  }
}

Response MethodNotAllowed(const api::Exchange& exchange, const api::Route& route) {
  const std::string_view allowed = api::AllowedMethods(route);
  Response response = exchange.Error(
      Status(Code::kMethodNotAllowed,
             exchange.head.method.substr(0, 32) + " is not allowed here; use " + std::string(allowed)));
  response.headers.emplace_back("Allow", allowed);
  return response;
}

Status CheckEncoding(const RequestHead& head) {
  if (head.content_encoding.empty() || head.content_encoding == "identity") return Status::Ok();
  return {Code::kUnsupportedFormat, "Content-Encoding is not understood: send the body as it is"};
}

Task<Response> Dispatch(api::Exchange& exchange, const api::Route* route) {
  if (route == nullptr) co_return exchange.Error(api::NoSuchRoute(exchange.head.path));
  if (!api::MethodAllowed(*route, exchange.head.method)) co_return MethodNotAllowed(exchange, *route);
  if (route->method == "POST") {
    Status admitted = CheckEncoding(exchange.head);
    if (admitted.ok()) admitted = exchange.body.Admit();
    if (!admitted.ok()) co_return exchange.Error(admitted);
  }
  std::string failure;
  try {
    Response response = co_await route->handler(exchange);
    co_return std::move(response);
  } catch (const std::exception& error) {
    failure = error.what();
  }
  log::error("{} {} failed: {}", exchange.head.method, route->path, failure);
  co_return exchange.Error(Status(Code::kInternal, "unexpected failure: " + failure));
}

void LogRequest(const RequestHead& head, const Response& response, const api::RequestTiming& timing) {
  const auto ms = static_cast<double>(MicrosBetween(timing.started(), Clock::now())) / 1000.0;
  if (response.silent) {
    log::info("{} {} {} after {:.1f} ms: the client went away", head.method, head.path.substr(0, 128),
              response.status, ms);
  } else {
    log::debug("{} {} {} in {:.1f} ms", head.method, head.path.substr(0, 128), response.status, ms);
  }
}

/// The one place where requests that reached the pipeline are written down, however they ended.
void WriteRequestLog(api::Exchange& exchange, const api::Route& route, int status) {
  request_log::RequestLog* log = exchange.services.options.request_log;
  if (log == nullptr || exchange.opened == TimePoint{}) return;
  exchange.timing.Stop();  // an error's body is written by now
  log->Write(api::ToRecord({exchange.model, route.path, status, exchange.timing, exchange.opened,
                            exchange.result ? &*exchange.result : nullptr}));
}

/// What a turn needs besides the request.
struct Turn {
  ConnectionIo& io;
  api::Services& services;
  DateLine& date;
};

Task<IoResult> Send(Turn& turn, const Response& response, bool keep, bool http11, bool with_body) {
  HeadOptions options;
  options.keep_alive = keep;
  options.http11 = http11;
  options.date = turn.date.Now();
  const std::string head = WriteHead(response, options);
  const std::string_view body = with_body ? std::string_view(response.body) : std::string_view();
  const IoResult sent = co_await turn.io.Write(head, body, In(turn.services.options.body_timeout_ms));
  co_return sent;
}

/// A request whose header cannot be trusted: nobody knows where the next one begins, so the connection ends.
Task<void> Refuse(Turn& turn, const api::ApiError& error) {
  const Response response = ErrorResponse(api::Dialect::kNative, error);
  turn.services.metrics.CountRequest("malformed", response.status);
  const IoResult sent = co_await Send(turn, response, false, true, true);
  if (sent == IoResult::kOk) co_await turn.io.LingeringClose();
}

/// Serves the request whose head is parsed. True when the connection goes on.
Task<bool> ServeRequest(Turn& turn, RequestParser& parser, const RequestHead& head) {
  api::Services& services = turn.services;
  const BodyLimits limits{services.options.max_body_bytes,
                          std::chrono::milliseconds(services.options.body_timeout_ms)};
  BodyReader body(turn.io, parser, head, services.pipeline.budget(), limits);
  api::Exchange exchange{services,     turn.io, head, body, api::DialectOf(head.path), api::RequestTiming(),
                         std::string()};
  const api::Route* route = api::FindRoute(head.path);
  const Response response = co_await Dispatch(exchange, route);
  services.metrics.CountRequest(route != nullptr ? route->label : "unknown", response.status);
  LogRequest(head, response, exchange.timing);
  if (route != nullptr) WriteRequestLog(exchange, *route, response.status);
  exchange.result.reset();  // a slow reader has the reply's body, and need not hold the vectors too
  if (response.silent) co_return false;

  const bool keep = head.keep_alive && !response.close && !services.draining.load() && body.CanDiscard();
  const IoResult sent = co_await Send(turn, response, keep, head.http11, head.method != "HEAD");
  if (sent != IoResult::kOk) co_return false;
  if (keep) {
    const bool drained = co_await body.Discard();
    co_return drained;
  }
  // Closing while unread bytes lie in the socket would reset it, and the reply with it.
  if (!body.complete() || !turn.io.buffered().empty()) co_await turn.io.LingeringClose();
  co_return false;
}

/// One request. True when the connection goes on.
Task<bool> ServeTurn(Turn& turn) {
  RequestParser parser;
  const HeadOutcome outcome = co_await ReadHead(turn.io, parser, In(turn.services.options.header_timeout_ms));
  if (outcome.error) co_await Refuse(turn, *outcome.error);
  if (!outcome.complete) co_return false;
  api::ApiError error;
  const Result<RequestHead> head = parser.Head(&error);
  if (!head.ok()) {
    co_await Refuse(turn, error);
    co_return false;
  }
  const bool keep = co_await ServeRequest(turn, parser, *head);
  co_return keep;
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

Task<void> ServeConnection(std::shared_ptr<ConnectionIo> io, api::Services& services, DateLine& date) {
  Turn turn{*io, services, date};
  int64_t patience_ms = services.options.header_timeout_ms;
  for (;;) {
    if (io->buffered().empty()) {
      if (services.draining.load()) break;
      io->set_idle(true);
      const IoResult result = co_await io->Fill(In(patience_ms));
      io->set_idle(false);
      if (result != IoResult::kOk) break;
    } else {
      co_await asio::post(io->executor(), asio::use_awaitable);  // a pipelining client is not the only one
    }
    const bool keep = co_await ServeTurn(turn);
    if (!keep) break;
    patience_ms = services.options.idle_timeout_ms;
  }
  io->Abort();
}

}  // namespace photovec::net
