// SPDX-License-Identifier: MIT
#include "experiment/run/server_stats.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/json/parse.hpp>
#include <chrono>
#include <string>

#include "metrics/names.h"

namespace photovec::experiment {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace json = boost::json;

LoopLag ParseLoopLag(std::string_view stats_json) {
  LoopLag lag;
  boost::system::error_code error;
  const json::value stats = json::parse(stats_json, error);
  if (error || !stats.is_object()) return lag;
  const json::value* rows = stats.get_object().if_contains(metrics::name::kLoopLagSeconds);
  if (rows == nullptr || !rows->is_array() || rows->get_array().empty()) return lag;
  const json::object* row = rows->get_array().front().if_object();
  const auto number = [row](std::string_view key) {
    const json::value* value = row == nullptr ? nullptr : row->if_contains(key);
    return value != nullptr && value->is_number() ? value->to_number<double>() : -1.0;
  };
  lag.p50_ms = number("p50_ms");
  lag.p99_ms = number("p99_ms");
  lag.max_ms = number("max_ms");
  return lag;
}

Result<LoopLag> FetchLoopLag(uint16_t port) {
  asio::io_context loop;
  beast::tcp_stream stream(loop);
  http::request<http::empty_body> request(http::verb::get, "/stats", 11);
  request.set(http::field::host, "127.0.0.1");
  http::response<http::string_body> reply;
  beast::flat_buffer buffer;
  beast::error_code outcome;
  // Each step starts the next; the stream's timeout covers them all.
  stream.expires_after(std::chrono::seconds(5));
  const auto done = [&](beast::error_code error, size_t = 0) { outcome = error; };
  const auto read = [&](beast::error_code error, size_t = 0) {
    if (error) return done(error);
    http::async_read(stream, buffer, reply, done);
  };
  const auto write = [&](beast::error_code error) {
    if (error) return done(error);
    http::async_write(stream, request, read);
  };
  stream.async_connect(asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), port), write);
  loop.run();
  if (outcome) return Status(Code::kUnavailable, "GET /stats: " + outcome.message());
  return ParseLoopLag(reply.body());
}

}  // namespace photovec::experiment
