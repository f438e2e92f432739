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
#include "base/bytes.h"
#include "base/json/reader.h"
#include "base/json/writer.h"
#include "base/text/base64.h"
#include "base/text/percent.h"

namespace photovec::api {
namespace {

namespace bjson = boost::json;

Status OneImageEach(const std::string& path, size_t found) {
  if (found == 1) return Status::Ok();
  return {Code::kInvalidRequest,
          "field \"" + path + "\" names " + std::to_string(found) +
              " images; each conversation gives one vector, so it must name exactly one"};
}

/// vLLM: `messages` is one conversation, or a list of conversations; each is embedded as its one image.
Status CollectMessages(const bjson::array& messages, std::vector<std::string_view>& images) {
  const bool batched = !messages.empty() && messages[0].is_array();
  const size_t conversations = batched ? messages.size() : 1;
  for (size_t i = 0; i < conversations; ++i) {
    const std::string path = batched ? "messages[" + std::to_string(i) + "]" : "messages";
    const bjson::array* conversation = batched ? messages[i].if_array() : &messages;
    if (conversation == nullptr) {
      return {Code::kInvalidRequest, "field \"" + path + "\" must be a list of messages, as the others are"};
    }
    const size_t before = images.size();
    size_t index = 0;
    for (const bjson::value& message : *conversation) {
      RETURN_IF_ERROR(CollectImages(message, path + "[" + std::to_string(index++) + "]", images));
    }
    RETURN_IF_ERROR(OneImageEach(path, images.size() - before));
  }
  return Status::Ok();
}

Status CollectInput(const bjson::value& input, std::vector<std::string_view>& images) {
  const bjson::array* list = input.if_array();
  if (list == nullptr) return CollectImages(input, "input", images);
  size_t index = 0;
  for (const bjson::value& element : *list) {
    const std::string path = "input[" + std::to_string(index++) + "]";
    const size_t before = images.size();
    RETURN_IF_ERROR(CollectImages(element, path, images));
    RETURN_IF_ERROR(OneImageEach(path, images.size() - before));
  }
  return Status::Ok();
}

void ReadFormat(json::FieldReader& fields, EmbeddingsCall& call) {
  const std::string_view format = fields.String("encoding_format");
  call.base64 = format == "base64";
  if (!format.empty() && format != "base64" && format != "float") {
    fields.Fail("encoding_format", "must be \"float\" or \"base64\"");
  }
  const std::string_view modality = fields.String("modality");
  if (!modality.empty() && modality != "image") {
    fields.Fail("modality", "must be \"image\": this server embeds images only");
  }
  call.dimensions = fields.Int("dimensions");
  if (call.dimensions == 0) call.dimensions = std::nullopt;
}

}  // namespace

Result<EmbeddingsCall, ApiError> ParseEmbeddings(std::string_view text, int max_images) {
  const auto document = ParseObject(text, "");
  if (!document.ok()) return document.error();
  json::FieldReader fields(document->get_object());
  EmbeddingsCall call;
  call.model = fields.String("model");
  ReadFormat(fields, call);
  const bjson::value* input = fields.Find("input");
  const bjson::array* messages = fields.Array("messages");
  if (input == nullptr && messages == nullptr) fields.Fail("input", "is missing");
  if (input != nullptr && messages != nullptr) fields.Fail("messages", "and \"input\" exclude each other");
  if (!fields.ok()) return FieldError(fields);

  std::vector<std::string_view> images;
  const Status collected =
      input != nullptr ? CollectInput(*input, images) : CollectMessages(*messages, images);
  const std::string_view source = input != nullptr ? "input" : "messages";
  if (!collected.ok()) return ApiError{collected, std::string(source)};
  if (images.empty()) fields.Fail(source, "must name at least one image");
  if (images.size() > static_cast<size_t>(max_images)) {
    fields.Fail(source, "names " + std::to_string(images.size()) + " images; a request may name " +
                            std::to_string(max_images));
  }
  if (!fields.ok()) return FieldError(fields);
  call.images.reserve(images.size());
  for (const std::string_view image : images) call.images.push_back(MakeImageInput(image));
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
  Result<JsonBody> body = co_await exchange.ReceiveJson();
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
      co_await RunImages(exchange, *model, EmbedOptions{}, std::move(call->images), std::move(body->paid));
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
  const std::string id = PercentDecodeLeniently(
      std::string_view(exchange.request.head.path).substr(kPrefix.size()), Plus::kLiteral);
  const auto model = FindModel(exchange, id);
  if (!model.ok()) co_return exchange.Error(model.error());
  net::Response response;
  AppendModel(response.body, *model, exchange.services.started_unix_s);
  response.body += '\n';
  co_return response;
}

}  // namespace photovec::api
