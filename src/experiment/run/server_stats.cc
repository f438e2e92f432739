// SPDX-License-Identifier: MIT
#include "experiment/run/server_stats.h"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <chrono>

#include "base/json/reader.h"
#include "metrics/names.h"
#include "net/client.h"

namespace photovec::experiment {

namespace bjson = boost::json;

LoopLag ParseLoopLag(std::string_view stats_json) {
  LoopLag lag;
  const Result<bjson::value> stats = json::Parse(stats_json);
  if (!stats.ok() || !stats->is_object()) return lag;
  const bjson::value* rows = stats->get_object().if_contains(metrics::name::kLoopLagSeconds);
  if (rows == nullptr || !rows->is_array() || rows->get_array().empty()) return lag;
  const bjson::object* row = rows->get_array().front().if_object();
  const auto number = [row](std::string_view key) {
    const bjson::value* value = row == nullptr ? nullptr : row->if_contains(key);
    return value != nullptr && value->is_number() ? value->to_number<double>() : -1.0;
  };
  lag.p50_ms = number("p50_ms");
  lag.p99_ms = number("p99_ms");
  lag.max_ms = number("max_ms");
  return lag;
}

Result<LoopLag> FetchLoopLag(uint16_t port) {
  const Result<net::ClientReply> reply = net::Client(port, std::chrono::seconds(5)).Get("/stats");
  if (!reply.ok()) return reply.status().WithContext("GET /stats");
  return ParseLoopLag(reply->body);
}

}  // namespace photovec::experiment
