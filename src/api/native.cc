// SPDX-License-Identifier: MIT
#include "api/native.h"

#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <utility>

#include "api/handlers.h"
#include "base/json/reader.h"

namespace photovec::api {
namespace {

namespace bjson = boost::json;

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

net::Task<net::Response> HandleRaw(Exchange& exchange, NativeOptions options) {
  Result<net::OwnedBody> body = co_await exchange.ReceiveBody();
  if (!body.ok()) co_return exchange.Error(body.status());
  if (body->size == 0) co_return exchange.Error(EmptyBody());
  if (const auto misnamed = MisnamedBody(body->text().substr(0, 64))) co_return exchange.Error(*misnamed);

  Result<PendingRequest> pending = PendingRequest::Open(exchange, options.model, options.normalize, false);
  if (!pending.ok()) co_return exchange.Error(pending.status());
  pending->request().Add(net::IntoBytes(*std::move(body)));
  const pipeline::RequestResult* result = co_await pending->Await();
  if (result == nullptr) co_return net::ClientGone();
  net::Response response = co_await NativeReply(exchange, *result, options.normalize, true);
  co_return std::move(response);
}

net::Task<net::Response> HandleJson(Exchange& exchange, NativeOptions options) {
  Result<net::OwnedBody> body = co_await exchange.ReceiveBody();
  if (!body.ok()) co_return exchange.Error(body.status());
  NativeParse parsed;
  Status worked;
  {
    StageClock clock(exchange.timing, RequestStage::kParse);
    const int max_images = exchange.services.pipeline.options().max_items_per_request;
    const auto parse = [&] { parsed = ParseNativeJson(body->text(), options, max_images); };
    worked = co_await exchange.RunSized(body->size, parse);
  }
  if (!worked.ok()) co_return exchange.Error(worked);
  if (!parsed.error.status.ok()) co_return exchange.Error(parsed.error);
  if (const auto missing = CheckModel(exchange, parsed.call.model)) co_return exchange.Error(*missing);
  const bool normalize = parsed.call.normalize;
  EmbedOutcome outcome = co_await RunImages(exchange, std::move(parsed.call), *std::move(body));
  if (outcome.result == nullptr) co_return std::move(outcome.failure);
  net::Response response = co_await NativeReply(exchange, *outcome.result, normalize, false);
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

std::optional<ApiError> CheckModel(const Exchange& exchange, std::string_view model) {
  if (exchange.services.pipeline.FindModel(model)) return std::nullopt;
  std::string message = "there is no model \"" + std::string(model.substr(0, 128)) + "\"; this server has:";
  for (const pipeline::ModelView& view : exchange.services.pipeline.models()) {
    message += " " + std::string(view.name);
  }
  return ApiError{Status(Code::kNotFound, std::move(message)), "model",
                  exchange.dialect == Dialect::kOpenAi ? "model_not_found" : "", 0};
}

NativeParse ParseNativeJson(std::string_view text, const NativeOptions& defaults, int max_images) {
  NativeParse parsed;
  const auto fail = [&](Status status, std::string param = {}) {
    parsed.error = ApiError{std::move(status), std::move(param), "", 0};
    return std::move(parsed);
  };
  const Result<bjson::value> document = json::Parse(text);
  if (!document.ok()) return fail(document.status());
  if (!document->is_object()) {
    return fail(Status(Code::kInvalidRequest, "the body must be a JSON object {\"images\": [...]}, not " +
                                                  std::string(json::TypeName(*document))));
  }
  json::FieldReader fields(document->get_object());
  fields.RejectUnknown({"images", "model", "normalize"});
  parsed.call.model = fields.String("model");
  if (parsed.call.model.empty()) parsed.call.model = defaults.model;
  parsed.call.normalize = fields.Bool("normalize", defaults.normalize);
  const bjson::array* images = fields.Array("images");
  if (fields.ok() && (images == nullptr || images->empty()))
    fields.Fail("images", "must list at least one image");
  if (fields.ok() && images->size() > static_cast<size_t>(max_images)) {
    fields.Fail("images", "lists " + std::to_string(images->size()) + " images; a request may name " +
                              std::to_string(max_images));
  }
  if (!fields.ok()) return fail(fields.status(), fields.param());
  parsed.call.images.reserve(images->size());
  for (size_t i = 0; i < images->size(); ++i) {
    const bjson::string* image = (*images)[i].if_string();
    if (image == nullptr) {
      fields.Fail("images[" + std::to_string(i) + "]",
                  "must be a string (a data URL, an http(s) URL or a file name), not " +
                      std::string(json::TypeName((*images)[i])));
      return fail(fields.status(), fields.param());
    }
    parsed.call.images.push_back(MakeImageInput({image->data(), image->size()}));
  }
  return parsed;
}

net::Task<net::Response> HandleEmbed(Exchange& exchange) {
  Result<NativeOptions> options = OptionsOf(exchange.head);
  if (!options.ok()) co_return exchange.Error(options.status());
  if (const auto missing = CheckModel(exchange, options->model)) co_return exchange.Error(*missing);
  const std::string essence = net::ParseParameterised(exchange.head.content_type).value;
  net::Response response;
  if (essence == "multipart/form-data") {
    response = co_await HandleUpload(exchange, *std::move(options));
  } else if (net::IsJson(essence)) {
    response = co_await HandleJson(exchange, *std::move(options));
  } else {
    response = co_await HandleRaw(exchange, *std::move(options));
  }
  co_return std::move(response);
}

}  // namespace photovec::api
