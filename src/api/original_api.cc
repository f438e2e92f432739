// SPDX-License-Identifier: MIT
// The calls of the service that photovec replaces: docs/api.md.
#include "api/original_api.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <unordered_set>
#include <utility>

#include "api/embed_reply.h"
#include "api/handlers.h"
#include "api/pickle_writer.h"
#include "base/json/reader.h"
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

bool AnyDamaged(const pipeline::RequestResult& result) {
  return std::any_of(result.items.begin(), result.items.end(),
                     [](const auto& item) { return item.damaged(); });
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
  if (AnyDamaged(result)) {
    pickle.Text("damaged");
    pickle.BeginList();
    for (size_t i = 0; i < names.size(); ++i) {
      if (!result.items[i].damaged()) continue;
      pickle.BeginDict();
      pickle.Text("image");
      pickle.Text(names[i]);
      pickle.Text("index");
      pickle.Int(static_cast<int32_t>(i));
      pickle.Text("rows_ok");
      pickle.Int(result.items[i].rows_ok);
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
  if (AnyDamaged(result)) {
    out += ",\"damaged\":[";
    separator = "";
    for (size_t i = 0; i < names.size(); ++i) {
      if (!result.items[i].damaged()) continue;
      out += std::exchange(separator, ",");
      out += "{\"image\":";
      json::AppendString(out, names[i]);
      out += ",\"index\":";
      json::AppendInt(out, static_cast<int64_t>(i));
      out += ",\"rows_ok\":";
      json::AppendInt(out, result.items[i].rows_ok);
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
  const net::RequestHead& head = exchange.request.head;
  Result<JsonBody> body = co_await exchange.ReceiveJson();
  if (!body.ok()) co_return exchange.Error(body.status());
  const int max_images = exchange.services.embed.max_items(Dialect::kOriginal);
  std::function<Result<OriginalCall, ApiError>(std::string_view)> parse =
      [max_images](std::string_view text) { return ParseOriginal(text, max_images); };
  Result<OriginalCall, ApiError> call = co_await exchange.Parse(*body, std::move(parse));
  if (!call.ok()) co_return exchange.Error(call.error());
  const std::string name = head.QueryParameter("model").value_or(head.model_header);
  const auto model = exchange.services.embed.FindModel(name);
  if (!model.ok()) co_return exchange.Error(model.error());

  // The reply repeats the names, however long; escaped, twofold or more.
  uint64_t name_bytes = 0;
  for (const std::string& given : call->names) name_bytes += given.size();
  Result<Reservation> names_paid = co_await exchange.request.body.Reserve(3 * name_bytes);
  if (!names_paid.ok()) co_return exchange.Error(names_paid.status());
  exchange.work.Absorb(*std::move(names_paid));

  const EmbedOptions options{false, pipeline::Preprocessing::kReplacedService};
  std::optional<net::Response> gone =
      co_await RunInputs(exchange, *model, options, std::move(call->images), std::move(body->paid));
  if (gone) co_return *std::move(gone);
  if (const auto failure = WholeFailure(*exchange.result, true)) co_return exchange.Error(*failure);

  const size_t dim = EmbeddingDim(*model);
  const bool json = net::NegotiateReply(head.accept, kOffers) == net::ReplyForm::kJson;
  ReplyPlan plan;
  plan.bytes_per_value = json ? json::kBytesPerFloat : kPickleBytesPerFloat;
  plan.content_type = json ? "application/json" : "application/octet-stream";
  plan.write = [&names = call->names, dim, json](const pipeline::RequestResult& result) {
    return json ? WriteJson(result, names, dim) : WritePickle(result, names, dim);
  };
  net::Response response = co_await Reply(exchange, *model, std::move(plan));
  co_return std::move(response);
}

net::Task<net::Response> HandleHealthInfo(Exchange& exchange) {
  const std::string_view reason = NotReadyReason(exchange);
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

Result<OriginalCall, ApiError> ParseOriginal(std::string_view text, int max_images) {
  const auto document = ParseObject(text, "{\"images\": [...]}");
  if (!document.ok()) return document.error();
  json::FieldReader fields(document->get_object());
  const auto names = ReadStrings(fields, "images");
  CheckCount(fields, "images", "name", names.size(), max_images);
  if (!fields.ok()) return FieldError(fields);
  OriginalCall call;
  std::unordered_set<std::string_view> seen;
  for (const std::string_view name : names) {
    if (!seen.insert(name).second) continue;
    call.names.emplace_back(name);
    call.images.push_back(MakeImageInput(name));
  }
  return call;
}

}  // namespace photovec::api
