// SPDX-License-Identifier: MIT
#include "api/openai.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <cmath>
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
             service.max_items(Dialect::kOpenAi));
  if (!fields.ok()) return FieldError(fields);
  call.inputs = collector.Make();
  return call;
}

namespace {

/// The first `count` numbers of a vector, of length 1 again; empty when they are all 0.
std::vector<float> Shortened(const std::vector<float>& vector, size_t count) {
  std::vector<float> first(vector.begin(), vector.begin() + static_cast<std::ptrdiff_t>(count));
  double sum = 0;
  for (const float x : first) sum += double{x} * x;
  if (sum == 0) return {};
  for (float& x : first) x = static_cast<float>(x / std::sqrt(sum));
  return first;
}

/// How vectors are written.
struct Form {
  bool base64 = false;
  size_t count = 0;  ///< of the first numbers; 0: all
};

/// OpenAI has no form for one failed input among others. Such an entry keeps its place with an empty list as
/// its embedding (also where base64 was asked for: OpenAI's client decodes only strings) and says why in
/// `error`.
void AppendEntry(std::string& out, const pipeline::ItemResult& item, size_t index, Form form) {
  std::vector<float> first;
  Status status = item.status;
  if (status.ok() && form.count > 0 && form.count < item.embedding.size()) {
    first = Shortened(item.embedding, form.count);
    if (first.empty()) {
      status = {Code::kNanEmbedding,
                "the first " + std::to_string(form.count) + " numbers of the vector are all 0"};
    }
  }
  const std::vector<float>& vector = first.empty() ? item.embedding : first;
  out += R"({"object":"embedding","index":)";
  json::AppendInt(out, static_cast<int64_t>(index));
  out += R"(,"embedding":)";
  if (!status.ok()) {
    out += R"([],"error":{)";
    AppendErrorMembers(out, status);
    out += "}}";
    return;
  }
  if (form.base64) {
    out += '"';
    out += Base64Encode(AsBytes(FloatBytes(vector)));
    out += '"';
  } else {
    json::AppendFloats(out, vector);
  }
  AppendDamage(out, item);
  out += '}';
}

std::string WriteEmbeddings(const pipeline::RequestResult& result, const pipeline::ModelView& model,
                            Form form, size_t bytes_per_value) {
  std::string out;
  int64_t tokens = 0;
  for (const pipeline::ItemResult& item : result.items) tokens += item.tokens;
  const size_t dim = form.count > 0 ? form.count : static_cast<size_t>(model.info->embedding_dim);
  out.reserve(256 + result.items.size() * (dim * bytes_per_value + 64));
  out += R"({"object":"list","data":[)";
  for (size_t i = 0; i < result.items.size(); ++i) {
    if (i != 0) out += ',';
    AppendEntry(out, result.items[i], i, form);
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
  const int all = model.info->embedding_dim;
  if (!dimensions || *dimensions == all) return std::nullopt;
  std::string why =
      "the model \"" + std::string(model.name) + "\" has " + std::to_string(all) + " dimensions";
  if (*dimensions < 1 || *dimensions > all) {
    why += ": give 1 to " + std::to_string(all) + ", or none";
  } else if (model.shortening.Allows(*dimensions)) {
    return std::nullopt;
  } else if (!model.shortening.sizes.empty()) {
    why += ", and can be shortened to";
    for (const int size : model.shortening.sizes) why += " " + std::to_string(size);
  } else {
    why +=
        ", and its config.json does not say that it can be shortened (\"is_matryoshka\"); a server that is "
        "started "
        "with --allow-truncation cuts vectors all the same";
  }
  return ApiError{Status(Code::kInvalidRequest, why), "dimensions"};
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

  const Form form{call->base64, static_cast<size_t>(call->dimensions.value_or(0))};
  std::optional<net::Response> gone =
      co_await RunInputs(exchange, model, EmbedOptions{}, std::move(call->inputs), std::move(body->paid));
  if (gone) co_return *std::move(gone);
  if (const auto failure = WholeFailure(*exchange.result, true)) {
    co_return exchange.Error(ApiError{*failure, "input"});
  }
  ReplyPlan plan;
  plan.bytes_per_value = form.base64 ? 6 : json::kBytesPerFloat;
  plan.write = [&model, form, bytes_per_value = plan.bytes_per_value](const pipeline::RequestResult& result) {
    return WriteEmbeddings(result, model, form, bytes_per_value);
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
