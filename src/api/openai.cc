// SPDX-License-Identifier: MIT
#include "api/openai.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <string>
#include <utility>
#include <vector>

#include "api/embed_reply.h"
#include "api/handlers.h"
#include "api/openai_input.h"
#include "api/score.h"
#include "base/bytes.h"
#include "base/json/reader.h"
#include "base/json/writer.h"
#include "base/text/base64.h"
#include "base/text/percent.h"

namespace photovec::api {
namespace {

namespace bjson = boost::json;

void ReadFormat(json::FieldReader& fields, EmbeddingsCall& call) {
  const std::string_view format = fields.String("encoding_format");
  call.base64 = format == "base64";
  if (!format.empty() && format != "base64" && format != "float") {
    fields.Fail("encoding_format", "must be \"float\" or \"base64\"");
  }
  call.dimensions = fields.Int("dimensions");
  if (call.dimensions == 0) call.dimensions = std::nullopt;
}

Modality ReadModality(json::FieldReader& fields) {
  const std::string_view modality = fields.String("modality");
  if (modality == "image") return Modality::kImage;
  if (modality == "text") return Modality::kText;
  if (!modality.empty()) fields.Fail("modality", "must be \"image\" or \"text\"");
  return Modality::kAuto;
}

/// OpenAI prescribes a code of its own.
Result<pipeline::ModelView, ApiError> FindModel(const EmbedService& service, std::string_view name) {
  const auto model = service.FindModel(name);
  if (model.ok()) return *model;
  ApiError error = model.error();
  error.code = "model_not_found";
  return error;
}

}  // namespace

Result<EmbeddingsCall, ApiError> ParseEmbeddings(std::string_view text, const EmbedService& service) {
  const auto document = ParseObject(text, "");
  if (!document.ok()) return document.error();
  json::FieldReader fields(document->get_object());
  EmbeddingsCall call;
  const std::string_view name = fields.String("model");
  ReadFormat(fields, call);
  const Modality modality = ReadModality(fields);
  const bjson::value* input = fields.Find("input");
  const bjson::array* messages = fields.Array("messages");
  if (input == nullptr && messages == nullptr) fields.Fail("input", "is missing");
  if (input != nullptr && messages != nullptr) fields.Fail("messages", "and \"input\" exclude each other");
  if (!fields.ok()) return FieldError(fields);
  const auto model = FindModel(service, name);
  if (!model.ok()) return model.error();
  call.model = *model;
  if (modality == Modality::kText && call.model.text == nullptr) {
    fields.Fail("modality",
                "must be \"image\": the model \"" + std::string(call.model.name) + "\" embeds images only");
    return FieldError(fields);
  }

  InputCollector collector(call.model, modality);
  const Status collected = input != nullptr ? collector.AddInput(*input) : collector.AddMessages(*messages);
  const std::string_view source = input != nullptr ? "input" : "messages";
  if (!collected.ok()) return ApiError{collected, std::string(source)};
  CheckCount(fields, source, call.model.text != nullptr ? "image or text" : "image", collector.size(),
             service.max_items());
  if (!fields.ok()) return FieldError(fields);
  call.inputs = collector.Make();
  return call;
}

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
  int64_t tokens = 0;
  for (const pipeline::ItemResult& item : result.items) tokens += item.tokens;
  const auto dim = static_cast<size_t>(model.info->embedding_dim);
  out.reserve(256 + result.items.size() * (dim * bytes_per_value + 64));
  out += R"({"object":"list","data":[)";
  for (size_t i = 0; i < result.items.size(); ++i) {
    if (i != 0) out += ',';
    AppendEntry(out, result.items[i], i, base64);
  }
  out += R"(],"model":)";
  json::AppendString(out, model.name);
  out += R"(,"usage":{"prompt_tokens":)";
  json::AppendInt(out, tokens);
  out += R"(,"total_tokens":)";
  json::AppendInt(out, tokens);
  return out += "}}\n";
}

std::optional<ApiError> CheckDimensions(const pipeline::ModelView& model, std::optional<int64_t> dimensions) {
  if (!dimensions || *dimensions == model.info->embedding_dim) return std::nullopt;
  return ApiError{Status(Code::kInvalidRequest, "the model \"" + std::string(model.name) + "\" has " +
                                                    std::to_string(model.info->embedding_dim) +
                                                    " dimensions, and they cannot be shortened"),
                  "dimensions"};
}

void AppendModel(std::string& out, const pipeline::ModelView& model, const Services& services) {
  json::Writer writer(out);
  writer.BeginObject()
      .Field("id", model.name)
      .Field("object", "model")
      .Field("created", services.started_unix_s);
  writer.Field("owned_by", "photovec").Field("fingerprint", model.fingerprint);
  if (model.info != nullptr) {
    writer.Field("dimensions", model.info->embedding_dim).Field("image_size", model.info->image_size);
    writer.Field("precision", model.info->precision).Field("backend", model.info->backend);
  }
  writer.Key("modalities").BeginArray().Value("image");
  if (model.text != nullptr) writer.Value("text");
  writer.EndArray();
  if (!services.image_formats.empty()) {
    writer.Key("image_formats").BeginArray();
    for (const std::string& format : services.image_formats) writer.Value(format);
    writer.EndArray();
  }
  if (model.text != nullptr) {
    writer.Field("text_fingerprint", model.text_fingerprint);
    writer.Field("text_rule", model.text->rule).Field("max_tokens", model.text->max_length);
    WriteScoreRule(writer.Key("score"), model.score);
  }
  writer.EndObject();
}

}  // namespace

net::Task<net::Response> HandleEmbeddings(Exchange& exchange) {
  Result<JsonBody> body = co_await exchange.ReceiveJson();
  if (!body.ok()) co_return exchange.Error(body.status());
  const EmbedService& service = exchange.services.embed;
  std::function<Result<EmbeddingsCall, ApiError>(std::string_view)> parse =
      [&service](std::string_view text) { return ParseEmbeddings(text, service); };
  Result<EmbeddingsCall, ApiError> call = co_await exchange.Parse(*body, std::move(parse));
  if (!call.ok()) co_return exchange.Error(call.error());
  const pipeline::ModelView model = call->model;
  if (const auto wrong = CheckDimensions(model, call->dimensions)) co_return exchange.Error(*wrong);

  const bool base64 = call->base64;
  std::optional<net::Response> gone =
      co_await RunInputs(exchange, model, EmbedOptions{}, std::move(call->inputs), std::move(body->paid));
  if (gone) co_return *std::move(gone);
  if (const auto failure = WholeFailure(*exchange.result, true)) {
    co_return exchange.Error(ApiError{*failure, "input"});
  }
  ReplyPlan plan;
  plan.bytes_per_value = base64 ? 6 : json::kBytesPerFloat;
  plan.write = [&model, base64,
                bytes_per_value = plan.bytes_per_value](const pipeline::RequestResult& result) {
    return WriteEmbeddings(result, model, base64, bytes_per_value);
  };
  net::Response response = co_await Reply(exchange, model, std::move(plan));
  co_return std::move(response);
}

net::Task<net::Response> HandleModels(Exchange& exchange) {
  net::Response response;
  response.body = R"({"object":"list","data":[)";
  const char* separator = "";
  for (const pipeline::ModelView& model : exchange.services.pipeline.models()) {
    response.body += std::exchange(separator, ",");
    AppendModel(response.body, model, exchange.services);
  }
  response.body += "]}\n";
  co_return response;
}

net::Task<net::Response> HandleModel(Exchange& exchange) {
  constexpr std::string_view kPrefix = "/v1/models/";
  const std::string id = PercentDecodeLeniently(
      std::string_view(exchange.request.head.path).substr(kPrefix.size()), Plus::kLiteral);
  const auto model = FindModel(exchange.services.embed, id);
  if (!model.ok()) co_return exchange.Error(model.error());
  net::Response response;
  AppendModel(response.body, *model, exchange.services);
  response.body += '\n';
  co_return response;
}

}  // namespace photovec::api
