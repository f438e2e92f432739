// SPDX-License-Identifier: MIT
// The calls of the service that photovec replaces (docs/api.md).
#include <array>
#include <string>
#include <utility>

#include "api/handlers.h"
#include "api/native.h"
#include "api/original_request.h"
#include "api/pickle_writer.h"
#include "base/json/writer.h"
#include "net/media_type.h"

namespace photovec::api {
namespace {

using Names = std::vector<std::string>;

bool AnyFailed(const pipeline::RequestResult& result) {
  for (const pipeline::ItemResult& item : result.items) {
    if (!item.status.ok()) return true;
  }
  return false;
}

std::string WritePickle(const pipeline::RequestResult& result, const Names& names, size_t dim) {
  PickleWriter pickle;
  pickle.Reserve(256 + names.size() * (dim * kPickleBytesPerFloat + 128));
  pickle.BeginDict();
  pickle.Text("message");
  pickle.Text("success");
  pickle.Text("data");
  pickle.BeginDict();
  for (size_t i = 0; i < names.size(); ++i) {
    if (!result.items[i].status.ok()) continue;
    pickle.Text(names[i]);
    pickle.Floats(result.items[i].embedding);
  }
  pickle.EndDict();
  if (AnyFailed(result)) {
    pickle.Text("errors");
    pickle.BeginList();
    for (size_t i = 0; i < names.size(); ++i) {
      const Status& status = result.items[i].status;
      if (status.ok()) continue;
      pickle.BeginDict();
      pickle.Text("image");
      pickle.Text(names[i]);
      pickle.Text("index");
      pickle.Int(static_cast<int32_t>(i));
      pickle.Text("code");
      pickle.Text(status.name());
      pickle.Text("message");
      pickle.Text(status.message());
      pickle.EndDict();
    }
    pickle.EndList();
  }
  pickle.EndDict();
  return std::move(pickle).Finish();
}

std::string WriteJson(const pipeline::RequestResult& result, const Names& names, size_t dim) {
  std::string out;
  out.reserve(256 + names.size() * (dim * json::kBytesPerFloat + 128));
  out += R"({"message":"success","data":{)";
  const char* separator = "";
  for (size_t i = 0; i < names.size(); ++i) {
    if (!result.items[i].status.ok()) continue;
    out += std::exchange(separator, ",");
    json::AppendString(out, names[i]);
    out += ':';
    json::AppendFloats(out, result.items[i].embedding);
  }
  out += '}';
  if (AnyFailed(result)) {
    out += ",\"errors\":[";
    separator = "";
    for (size_t i = 0; i < names.size(); ++i) {
      const Status& status = result.items[i].status;
      if (status.ok()) continue;
      out += std::exchange(separator, ",");
      out += "{\"image\":";
      json::AppendString(out, names[i]);
      out += ",\"index\":";
      json::AppendInt(out, static_cast<int64_t>(i));
      out += ',';
      AppendErrorMembers(out, status);
      out += '}';
    }
    out += ']';
  }
  return out += "}\n";
}

}  // namespace

net::Task<net::Response> HandleClipEmbedding(Exchange& exchange) {
  constexpr std::array kOffers = {net::ReplyOffer{"application/octet-stream", net::ReplyForm::kPickle},
                                  net::ReplyOffer{"application/json", net::ReplyForm::kJson}};
  Result<net::OwnedBody> body = co_await exchange.ReceiveBody();
  if (!body.ok()) co_return exchange.Error(body.status());
  OriginalParse parsed;
  Status worked;
  {
    StageClock clock(exchange.timing, RequestStage::kParse);
    const int max_images = exchange.services.pipeline.options().max_items_per_request;
    const auto work = [&] { parsed = ParseOriginal(body->text(), max_images); };
    worked = co_await exchange.RunSized(body->size, work);
  }
  if (!worked.ok()) co_return exchange.Error(worked);
  if (!parsed.error.status.ok()) co_return exchange.Error(parsed.error);
  parsed.call.model = exchange.head.QueryParameter("model").value_or(exchange.head.model_header);
  if (const auto missing = CheckModel(exchange, parsed.call.model)) co_return exchange.Error(*missing);

  EmbedOutcome outcome = co_await RunImages(exchange, std::move(parsed.call), *std::move(body));
  if (outcome.result == nullptr) co_return std::move(outcome.failure);
  if (const auto failure = WholeFailure(*outcome.result, true)) co_return exchange.Error(*failure);

  const size_t dim = EmbeddingDim(exchange.services, exchange.model);
  const bool json = net::NegotiateReply(exchange.head.accept, kOffers) == net::ReplyForm::kJson;
  ReplyPlan plan;
  plan.bytes_per_value = json ? json::kBytesPerFloat : kPickleBytesPerFloat;
  plan.content_type = json ? "application/json" : "application/octet-stream";
  plan.write = [&parsed, dim, json](const pipeline::RequestResult& result) {
    return json ? WriteJson(result, parsed.names, dim) : WritePickle(result, parsed.names, dim);
  };
  net::Response response = co_await Reply(exchange, *outcome.result, std::move(plan));
  co_return std::move(response);
}

net::Task<net::Response> HandleHealthInfo(Exchange& exchange) {
  const std::string_view reason = NotReadyReason(exchange.services);
  net::Response response;
  response.status = reason.empty() ? 200 : HttpStatus(Code::kUnavailable);
  response.body = reason.empty()
                      ? "{\"message\":\"success\",\"data\":{\"status\":\"ready\",\"version\":"
                      : "{\"message\":\"not ready\",\"data\":{\"status\":\"not_ready\",\"version\":";
  json::AppendString(response.body, PHOTOVEC_VERSION);
  response.body += ",\"models\":[";
  const char* separator = "";
  for (const pipeline::ModelView& model : exchange.services.pipeline.models()) {
    response.body += std::exchange(separator, ",");
    json::AppendString(response.body, model.name);
  }
  response.body += "]}}\n";
  co_return response;
}

}  // namespace photovec::api
