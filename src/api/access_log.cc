// SPDX-License-Identifier: MIT
#include "api/access_log.h"

#include <algorithm>
#include <chrono>
#include <initializer_list>
#include <utility>

#include "base/json/writer.h"
#include "base/log.h"

namespace photovec::api {
namespace {

constexpr size_t kMaxShown = 128;  // of what strangers choose freely

void Milliseconds(json::Writer& line, std::string_view key, int64_t us) {
  line.Field(key, static_cast<double>(us) / 1000.0, 3);
}

// Of a request's images the slowest one's time in all of these stages together; nothing when none was there.
void SlowestOf(json::Writer& line, std::string_view key, const pipeline::RequestResult& result,
               std::initializer_list<Stage> stages) {
  int64_t slowest = -1;
  for (const pipeline::ItemResult& item : result.items) {
    int64_t sum = -1;
    for (const Stage stage : stages) {
      const int64_t us = item.times.Micros(stage);
      if (us >= 0) sum = std::max<int64_t>(sum, 0) + us;
    }
    slowest = std::max(slowest, sum);
  }
  if (slowest >= 0) Milliseconds(line, key, slowest);
}

void AppendTimes(json::Writer& line, const Exchange& exchange) {
  const RequestTiming& timing = exchange.timing;
  line.Key("ms").BeginObject();
  Milliseconds(line, HttpStageName(HttpStage::kReceive), timing.Micros(HttpStage::kReceive));
  Milliseconds(line, HttpStageName(HttpStage::kParse), timing.Micros(HttpStage::kParse));
  if (exchange.result) {
    SlowestOf(line, "queue", *exchange.result, {Stage::kAdmitWait, Stage::kDecodeWait, Stage::kBatchWait});
    SlowestOf(line, "fetch", *exchange.result, {Stage::kFetch});
    SlowestOf(line, "decode", *exchange.result, {Stage::kDecode, Stage::kPreprocess, Stage::kTokenize});
    SlowestOf(line, "encode", *exchange.result, {Stage::kEncode, Stage::kEncodeText});
  }
  Milliseconds(line, HttpStageName(HttpStage::kSerialise), timing.Micros(HttpStage::kSerialise));
  Milliseconds(line, "total", MicrosBetween(timing.started(), Clock::now()));
  line.EndObject();
}

void AppendOutcome(json::Writer& line, const net::Response& response) {
  line.Field("status", response.status).Field("code", response.code);
}

std::string_view Shown(std::string_view text) { return text.substr(0, kMaxShown); }

}  // namespace

Result<std::unique_ptr<AccessLog>> AccessLog::Open(const std::string& path) {
  LineWriterOptions options;
  options.thread_name = "access-log";
  options.what = path == "-" ? "the access log on standard output" : "the access log " + path;
  options.flag = "--access-log";
  ASSIGN_OR_RETURN(auto lines, LineWriter::Open(path, std::move(options)));
  return std::unique_ptr<AccessLog>(new AccessLog(std::move(lines)));
}

void AccessLog::Write(const Exchange& exchange, std::string_view route, const net::Response& response) {
  const net::RequestHead& head = exchange.request.head;
  std::string text;
  text.reserve(512);
  json::Writer line(text);
  line.BeginObject().Field("time", UtcTime(std::chrono::system_clock::now()));
  line.Field("peer", exchange.request.io.peer().address);
  if (exchange.caller.key) line.Field("key", exchange.caller.id);
  line.Field("request_id", exchange.request_id);
  if (!exchange.traceparent.empty()) line.Field("traceparent", exchange.traceparent);
  line.Field("method", Shown(head.method)).Field("route", Shown(route));
  AppendOutcome(line, response);
  line.Field("bytes_in", exchange.request.body.received());
  line.Field("bytes_out", response.silent ? size_t{0} : response.body.size());
  line.Field("images", exchange.images);
  if (!exchange.model.empty()) line.Field("model", exchange.model);
  line.Field("client_gone", response.silent);
  AppendTimes(line, exchange);
  line.EndObject();
  text += '\n';
  lines_->Write(text);
}

void AccessLog::WriteRefusal(std::string_view peer, std::string_view request_id,
                             const net::Response& response) {
  std::string text;
  json::Writer line(text);
  line.BeginObject().Field("time", UtcTime(std::chrono::system_clock::now()));
  line.Field("peer", peer).Field("request_id", request_id);
  AppendOutcome(line, response);
  line.Field("bytes_out", response.body.size()).EndObject();
  text += '\n';
  lines_->Write(text);
}

}  // namespace photovec::api
