// SPDX-License-Identifier: MIT
#include "api/native.h"

#include <array>
#include <utility>

#include "api/handlers.h"
#include "base/json/reader.h"

namespace photovec::api {
namespace {

Status EmptyBody() {
  return {
      Code::kUnsupportedFormat,
      "the body is empty: send the bytes of an image (curl --data-binary @cat.jpg), multipart/form-data, or "
      "JSON {\"images\": [...]}"};
}

/// A body that was meant as JSON or a form is a frequent slip (curl -d): say so, rather than "not an image".
std::optional<Status> MisnamedBody(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || text[first] != '{') return std::nullopt;
  return Status(Code::kUnsupportedFormat,
                "the body is not an image; it looks like JSON: send it with Content-Type: application/json");
}

net::Task<net::Response> HandleRaw(Exchange& exchange, const pipeline::ModelView& model,
                                   EmbedOptions options) {
  Result<net::OwnedBody> body = co_await exchange.ReceiveBody();
  if (!body.ok()) co_return exchange.Error(body.status());
  if (body->size() == 0) co_return exchange.Error(EmptyBody());
  if (const auto misnamed = MisnamedBody(body->text().substr(0, 64))) co_return exchange.Error(*misnamed);

  const Status room = co_await exchange.PayFor(1, model);
  if (!room.ok()) co_return exchange.Error(room);
  Result<PendingRequest, ApiError> pending = PendingRequest::Open(exchange, model, options);
  if (!pending.ok()) co_return exchange.Error(pending.error());
  pending->request().Add(net::IntoBytes(*std::move(body)));
  const bool answered = co_await pending->Await();
  if (!answered) co_return net::ClientGone();
  net::Response response = co_await NativeReply(exchange, model, options, Room::kOne);
  co_return std::move(response);
}

net::Task<net::Response> HandleJson(Exchange& exchange, NativeOptions defaults) {
  Result<JsonBody> body = co_await exchange.ReceiveJson();
  if (!body.ok()) co_return exchange.Error(body.status());
  const EmbedService& service = exchange.services.embed;
  std::function<Result<NativeCall, ApiError>(std::string_view)> parse = [&](std::string_view text) {
    return ParseNativeJson(text, defaults, service);
  };
  Result<NativeCall, ApiError> call = co_await exchange.Parse(*body, std::move(parse));
  if (!call.ok()) co_return exchange.Error(call.error());
  const EmbedOptions options{call->options.normalize};
  std::optional<net::Response> failure =
      co_await RunInputs(exchange, call->model, options, std::move(call->inputs), std::move(body->paid));
  if (failure) co_return *std::move(failure);
  net::Response response = co_await NativeReply(exchange, call->model, options, Room::kMany);
  co_return std::move(response);
}

net::Task<net::Response> HandleUpload(Exchange& exchange, NativeOptions defaults) {
  Upload upload{std::move(defaults)};
  std::optional<net::Response> failure = co_await ReceiveUpload(exchange, upload, true);
  if (failure) co_return *std::move(failure);
  net::Response response =
      co_await NativeReply(exchange, upload.model, EmbedOptions{upload.options.normalize}, Room::kMany);
  co_return std::move(response);
}

}  // namespace

Result<bool> ParseFlag(std::string_view text, std::string_view field) {
  if (text == "true" || text == "1") return true;
  if (text == "false" || text == "0") return false;
  return Status(Code::kInvalidRequest, "\"" + std::string(field) + "\" must be true or false");
}

Result<NativeOptions> OptionsOf(const net::RequestHead& head) {
  NativeOptions options;
  options.model = head.QueryParameter("model").value_or(head.model_header);
  const std::string normalize = head.QueryParameter("normalize").value_or(head.normalize_header);
  if (!normalize.empty()) {
    ASSIGN_OR_RETURN(options.normalize, ParseFlag(normalize, "normalize"));
  }
  return options;
}

Result<NativeCall, ApiError> ParseNativeJson(std::string_view text, const NativeOptions& defaults,
                                             const EmbedService& service) {
  const auto document = ParseObject(text, "{\"images\": [...]}");
  if (!document.ok()) return document.error();
  json::FieldReader fields(document->get_object());
  fields.RejectUnknown({"images", "texts", "model", "normalize"});
  NativeCall call;
  call.options.model = fields.String("model");
  if (call.options.model.empty()) call.options.model = defaults.model;
  call.options.normalize = fields.Bool("normalize", defaults.normalize);
  const ListedInputs listed = ReadListed(fields);
  CheckCount(fields, listed.texts.size() > listed.images.size() ? "texts" : "images",
             "image, or \"texts\" a text", listed.images.size() + listed.texts.size(),
             service.max_items(Dialect::kNative));
  if (!fields.ok()) return FieldError(fields);
  const auto model = service.FindModel(call.options.model);
  if (!model.ok()) return model.error();
  call.model = *model;
  if (!listed.texts.empty()) {
    const Status takes_text = CheckTakesText(call.model, "field \"texts\"");
    if (!takes_text.ok()) return ApiError{takes_text, "texts"};
  }
  call.inputs = listed.Make();
  return call;
}

net::Task<net::Response> HandleEmbed(Exchange& exchange) {
  Result<NativeOptions> options = OptionsOf(exchange.request.head);
  if (!options.ok()) co_return exchange.Error(options.status());
  const auto model = exchange.services.embed.FindModel(options->model);
  if (!model.ok()) co_return exchange.Error(model.error());
  const std::string essence = net::ParseParameterised(exchange.request.head.content_type).value;
  net::Response response;
  if (essence == "multipart/form-data") {
    response = co_await HandleUpload(exchange, *std::move(options));
  } else if (net::IsJson(essence)) {
    response = co_await HandleJson(exchange, *std::move(options));
  } else {
    response = co_await HandleRaw(exchange, *model, EmbedOptions{options->normalize});
  }
  co_return std::move(response);
}

}  // namespace photovec::api
