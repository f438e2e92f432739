// SPDX-License-Identifier: MIT
#include <string>
#include <utility>

#include "api/embed_reply.h"
#include "api/handlers.h"
#include "api/openai_request.h"
#include "base/bytes.h"
#include "base/json/writer.h"
#include "base/strings.h"

namespace photovec::api {
namespace {

/// OpenAI has no form for one failed input among others. Such an entry keeps its place with an empty list as
/// its embedding (also where base64 was asked for: OpenAI's client decodes only strings) and says why in
/// `error`.
void AppendEntry(std::string& out, const pipeline::ItemResult& item, size_t index, bool base64) {
  out += R"({"object":"embedding","index":)";
  json::AppendInt(out, static_cast<int64_t>(index));
  out += R"(,"embedding":)";
  if (!item.status.ok()) {
    out += R"([],"error":{)";
    AppendErrorMembers(out, item.status);
    out += "}}";
    return;
  }
  if (base64) {
    out += '"';
    out += Base64Encode(AsBytes(FloatBytes(item.embedding)));
    out += '"';
  } else {
    json::AppendFloats(out, item.embedding);
  }
  out += '}';
}

std::string WriteEmbeddings(const pipeline::RequestResult& result, const pipeline::ModelView& model,
                            bool base64, size_t bytes_per_value) {
  std::string out;
  const auto dim = static_cast<size_t>(model.info->embedding_dim);
  out.reserve(256 + result.items.size() * (dim * bytes_per_value + 64));
  out += R"({"object":"list","data":[)";
  for (size_t i = 0; i < result.items.size(); ++i) {
    if (i != 0) out += ',';
    AppendEntry(out, result.items[i], i, base64);
  }
  out += R"(],"model":)";
  json::AppendString(out, model.name);
  return out += ",\"usage\":{\"prompt_tokens\":0,\"total_tokens\":0}}\n";
}

std::optional<ApiError> CheckDimensions(const pipeline::ModelView& model, std::optional<int64_t> dimensions) {
  if (!dimensions || *dimensions == model.info->embedding_dim) return std::nullopt;
  return ApiError{Status(Code::kInvalidRequest, "the model \"" + std::string(model.name) + "\" has " +
                                                    std::to_string(model.info->embedding_dim) +
                                                    " dimensions, and they cannot be shortened"),
                  "dimensions"};
}

/// OpenAI prescribes a code of its own.
Result<pipeline::ModelView, ApiError> FindModel(const Exchange& exchange, std::string_view name) {
  const auto model = exchange.services.embed.FindModel(name);
  if (model.ok()) return *model;
  ApiError error = model.error();
  error.code = "model_not_found";
  return error;
}

void AppendModel(std::string& out, const pipeline::ModelView& model, int64_t created) {
  out += R"({"id":)";
  json::AppendString(out, model.name);
  out += R"(,"object":"model","created":)";
  json::AppendInt(out, created);
  out += R"(,"owned_by":"photovec","fingerprint":)";
  json::AppendString(out, model.fingerprint);
  if (model.info != nullptr) {
    out += R"(,"dimensions":)";
    json::AppendInt(out, model.info->embedding_dim);
    out += R"(,"image_size":)";
    json::AppendInt(out, model.info->image_size);
    out += R"(,"precision":)";
    json::AppendString(out, model.info->precision);
    out += R"(,"backend":)";
    json::AppendString(out, model.info->backend);
  }
  out += '}';
}

}  // namespace

net::Task<net::Response> HandleEmbeddings(Exchange& exchange) {
  Result<net::OwnedBody> body = co_await exchange.ReceiveBody();
  if (!body.ok()) co_return exchange.Error(body.status());
  const int max_images = exchange.services.embed.max_images();
  std::function<Result<EmbeddingsCall, ApiError>(std::string_view)> parse =
      [max_images](std::string_view text) { return ParseEmbeddings(text, max_images); };
  Result<EmbeddingsCall, ApiError> call = co_await exchange.Parse(*body, std::move(parse));
  if (!call.ok()) co_return exchange.Error(call.error());
  const auto model = FindModel(exchange, call->model);
  if (!model.ok()) co_return exchange.Error(model.error());
  if (const auto wrong = CheckDimensions(*model, call->dimensions)) co_return exchange.Error(*wrong);

  const bool base64 = call->base64;
  std::optional<net::Response> gone =
      co_await RunImages(exchange, *model, EmbedOptions{}, std::move(call->images), *std::move(body));
  if (gone) co_return *std::move(gone);
  if (const auto failure = WholeFailure(*exchange.result, true)) {
    co_return exchange.Error(ApiError{*failure, "input"});
  }
  ReplyPlan plan;
  plan.bytes_per_value = base64 ? 6 : json::kBytesPerFloat;
  plan.write = [&model, base64,
                bytes_per_value = plan.bytes_per_value](const pipeline::RequestResult& result) {
    return WriteEmbeddings(result, *model, base64, bytes_per_value);
  };
  net::Response response = co_await Reply(exchange, *model, std::move(plan));
  co_return std::move(response);
}

net::Task<net::Response> HandleModels(Exchange& exchange) {
  net::Response response;
  response.body = R"({"object":"list","data":[)";
  const char* separator = "";
  for (const pipeline::ModelView& model : exchange.services.pipeline.models()) {
    response.body += std::exchange(separator, ",");
    AppendModel(response.body, model, exchange.services.started_unix_s);
  }
  response.body += "]}\n";
  co_return response;
}

net::Task<net::Response> HandleModel(Exchange& exchange) {
  constexpr std::string_view kPrefix = "/v1/models/";
  const std::string id =
      net::PercentDecode(std::string_view(exchange.request.head.path).substr(kPrefix.size()), false);
  const auto model = FindModel(exchange, id);
  if (!model.ok()) co_return exchange.Error(model.error());
  net::Response response;
  AppendModel(response.body, *model, exchange.services.started_unix_s);
  response.body += '\n';
  co_return response;
}

}  // namespace photovec::api
