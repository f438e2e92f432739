// SPDX-License-Identifier: MIT
#include "api/embed_reply.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/json/writer.h"

namespace photovec::api {
namespace {

/// "hit=3, miss=29": the images that were looked up; one that failed before is neither.
std::string CacheHeader(const pipeline::RequestResult& result) {
  size_t hits = 0;
  size_t lookups = 0;
  for (const pipeline::ItemResult& item : result.items) {
    if (item.trail.looked_up) ++lookups;
    if (item.trail.cached) ++hits;
  }
  return "hit=" + std::to_string(hits) + ", miss=" + std::to_string(lookups - hits);
}

}  // namespace

net::Task<net::Response> Reply(Exchange& exchange, const pipeline::ModelView& model, ReplyPlan plan) {
  const pipeline::RequestResult& result = *exchange.result;
  net::Response response;
  response.content_type = plan.content_type;
  {
    StageClock clock(exchange.timing, HttpStage::kSerialise);
    const size_t values = result.items.size() * EmbeddingDim(model);
    const auto write = [&] { response.body = plan.write(result); };
    const Status written = co_await exchange.RunSized(values * plan.bytes_per_value, write);
    if (!written.ok()) co_return exchange.Error(written);
    response.paid = exchange.work.Split(response.body.capacity());
  }
  exchange.timing.Stop();
  exchange.services.metrics.ObserveRequest(model.name, exchange.timing);
  response.headers.emplace_back("Server-Timing", ServerTiming(exchange.timing, result));
  response.headers.emplace_back("X-Photovec-Model", model.name);
  response.headers.emplace_back("X-Photovec-Fingerprint", model.fingerprint);
  if (!model.text_fingerprint.empty()) {
    response.headers.emplace_back("X-Photovec-Text-Fingerprint", model.text_fingerprint);
  }
  if (exchange.services.embed.has_cache()) {
    response.headers.emplace_back("X-Photovec-Cache", CacheHeader(result));
  }
  co_return response;
}

void AppendItemErrors(std::string& out, const pipeline::RequestResult& result) {
  out += '[';
  bool first = true;
  for (size_t i = 0; i < result.items.size(); ++i) {
    const Status& status = result.items[i].status;
    if (status.ok()) continue;
    out += first ? "{\"index\":" : ",{\"index\":";
    first = false;
    json::AppendInt(out, static_cast<int64_t>(i));
    out += ',';
    AppendErrorMembers(out, status);
    out += '}';
  }
  out += ']';
}

void AppendDamage(std::string& out, const pipeline::ItemResult& item) {
  if (!item.damaged()) return;
  out += ",\"damaged\":true,\"rows_ok\":";
  json::AppendInt(out, item.rows_ok);
}

std::string DamagedList(const pipeline::RequestResult& result, size_t most) {
  std::string out;
  for (size_t i = 0; i < result.items.size() && most > 0; ++i) {
    if (!result.items[i].damaged()) continue;
    out += (out.empty() ? "[{\"index\":" : ",{\"index\":") + std::to_string(i) +
           ",\"rows_ok\":" + std::to_string(result.items[i].rows_ok) + "}";
    --most;
  }
  return out.empty() ? out : out + "]";
}

}  // namespace photovec::api
