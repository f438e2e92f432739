// SPDX-License-Identifier: MIT
#include "api/embed_reply.h"

#include <algorithm>
#include <utility>

#include "base/json/writer.h"

namespace photovec::api {
namespace {

/// Decoded base64 is paid for by the body it came from, image by image, so that each share is given back as
/// soon as its image has been decoded.
void AddImage(pipeline::Request& request, ImageInput image, Reservation& budget) {
  if (!image.status.ok()) {
    request.AddFailed(std::move(image.status));
    return;
  }
  if (Bytes* bytes = std::get_if<Bytes>(&image.source)) {
    Reservation share = budget.Split(bytes->size());
    image.source = net::WithReservation(std::move(*bytes), std::move(share));
  }
  request.Add(std::move(image.source));
}

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

size_t EmbeddingDim(const Services& services, std::string_view model) {
  const auto view = services.pipeline.FindModel(model);
  return view && view->info != nullptr ? static_cast<size_t>(view->info->embedding_dim) : 0;
}

net::Task<EmbedOutcome> RunImages(Exchange& exchange, EmbedCall call, net::OwnedBody body) {
  Result<PendingRequest> pending = PendingRequest::Open(exchange, call.model, call.normalize, call.squash);
  EmbedOutcome outcome;
  if (!pending.ok()) {
    outcome.failure = exchange.Error(pending.status());
    co_return std::move(outcome);
  }
  for (ImageInput& image : call.images) AddImage(pending->request(), std::move(image), body.reservation);
  call.images.clear();
  body = net::OwnedBody();  // the references have been copied out of it
  outcome.result = co_await pending->Await();
  if (outcome.result == nullptr) outcome.failure = net::ClientGone();
  co_return std::move(outcome);
}

std::optional<Status> WholeFailure(const pipeline::RequestResult& result, bool any_error) {
  if (result.items.empty()) return std::nullopt;
  const Status& first = result.items.front().status;
  for (const pipeline::ItemResult& item : result.items) {
    if (item.status.ok()) return std::nullopt;
    if (!any_error && item.status.code() != first.code()) return std::nullopt;
  }
  const int status = HttpStatus(first.code());
  const bool servers_fault = status == 429 || status >= 500;
  if (result.items.size() == 1 || any_error || servers_fault) return first;
  return std::nullopt;
}

net::Task<net::Response> Reply(Exchange& exchange, const pipeline::RequestResult& result, ReplyPlan plan) {
  const auto model = exchange.services.pipeline.FindModel(exchange.model);
  net::Response response;
  response.content_type = plan.content_type;
  {
    StageClock clock(exchange.timing, RequestStage::kSerialise);
    const size_t values = result.items.size() * EmbeddingDim(exchange.services, exchange.model);
    const auto write = [&] { response.body = plan.write(result); };
    const Status written = co_await exchange.RunSized(values * plan.bytes_per_value, write);
    if (!written.ok()) co_return exchange.Error(written);
  }
  exchange.timing.Stop();
  exchange.services.metrics.ObserveRequest(exchange.model, exchange.timing);
  response.headers.emplace_back("Server-Timing", ServerTiming(exchange.timing, result));
  if (model) {
    response.headers.emplace_back("X-Photovec-Model", model->name);
    response.headers.emplace_back("X-Photovec-Fingerprint", model->fingerprint);
  }
  if (exchange.services.pipeline.options().cache_bytes > 0) {
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

}  // namespace photovec::api
