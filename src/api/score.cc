// SPDX-License-Identifier: MIT
// POST /score: docs/api.md.
#include "api/score.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "api/embed_reply.h"
#include "api/handlers.h"
#include "api/native.h"
#include "base/json/reader.h"

namespace photovec::api {
namespace {

constexpr float kNone = std::numeric_limits<float>::quiet_NaN();

/// Where the images and the texts of a request stand among its items.
struct Sides {
  std::vector<const pipeline::ItemResult*> images;
  std::vector<const pipeline::ItemResult*> texts;
};

Sides Split(const pipeline::RequestResult& result, const std::vector<bool>& is_text) {
  Sides sides;
  for (size_t i = 0; i < result.items.size(); ++i) {
    (is_text[i] ? sides.texts : sides.images).push_back(&result.items[i]);
  }
  return sides;
}

/// Of two unit vectors.
float Cosine(const pipeline::ItemResult& image, const pipeline::ItemResult& text) {
  if (!text.status.ok()) return kNone;
  float sum = 0;
  for (size_t i = 0; i < image.embedding.size(); ++i) sum += image.embedding[i] * text.embedding[i];
  return sum;
}

void AppendErrors(std::string& out, std::string_view side,
                  const std::vector<const pipeline::ItemResult*>& items) {
  for (size_t i = 0; i < items.size(); ++i) {
    if (items[i]->status.ok()) continue;
    if (out.back() == '}') out += ',';
    ((out += "{\"") += side) += "\":";
    json::AppendInt(out, static_cast<int64_t>(i));
    out += ',';
    AppendErrorMembers(out, items[i]->status);
    out += '}';
  }
}

/// `,"damaged":[{"image":0,"rows_ok":120}]`; nothing when there is none.
void AppendDamaged(std::string& out, const std::vector<const pipeline::ItemResult*>& images) {
  bool any = false;
  for (size_t i = 0; i < images.size(); ++i) {
    if (!images[i]->damaged()) continue;
    (out += std::exchange(any, true) ? "," : ",\"damaged\":[") += "{\"image\":";
    json::AppendInt(out, static_cast<int64_t>(i));
    out += ",\"rows_ok\":";
    json::AppendInt(out, images[i]->rows_ok);
    out += '}';
  }
  if (any) out += ']';
}

std::string WriteScores(const Sides& sides, const pipeline::ModelView& model) {
  std::string out;
  std::string probabilities;
  out.reserve(512 + 2 * sides.images.size() * (sides.texts.size() + 1) * json::kBytesPerFloat);
  out += "{\"model\":";
  json::AppendString(out, model.name);
  out += ",\"fingerprint\":";
  json::AppendString(out, model.fingerprint);
  out += ",\"score\":";
  json::Writer rule(out);
  WriteScoreRule(rule, model.score);
  out += ",\"cosines\":[";
  const char* separator = "";
  for (const pipeline::ItemResult* image : sides.images) {
    out += separator;
    probabilities += std::exchange(separator, ",");
    if (!image->status.ok()) {
      out += "null";
      probabilities += "null";
      continue;
    }
    std::vector<float> cosines;
    cosines.reserve(sides.texts.size());
    for (const pipeline::ItemResult* text : sides.texts) cosines.push_back(Cosine(*image, *text));
    json::AppendFloats(out, cosines);
    json::AppendFloats(probabilities, Probabilities(model.score, cosines));
  }
  ((out += "],\"probabilities\":[") += probabilities) += "],\"errors\":[";
  AppendErrors(out, "image", sides.images);
  AppendErrors(out, "text", sides.texts);
  out += ']';
  AppendDamaged(out, sides.images);
  return out += "}\n";
}

/// The error that leaves nothing to compare: of the first image when all have failed, or of the first text.
std::optional<Status> NothingLeft(const Sides& sides) {
  for (const auto* side : {&sides.images, &sides.texts}) {
    if (std::none_of(side->begin(), side->end(), [](const auto* item) { return item->status.ok(); })) {
      return side->front()->status;
    }
  }
  return std::nullopt;
}

net::Task<net::Response> ScoreReply(Exchange& exchange, const pipeline::ModelView& model,
                                    const std::vector<bool>& is_text) {
  const Sides sides = Split(*exchange.result, is_text);
  if (sides.images.empty() || sides.texts.empty()) {
    co_return exchange.Error(
        Status(Code::kInvalidRequest,
               "the upload needs images and texts: curl -F image=@cat.jpg -F 'text=a cat' -F "
               "'text=a dog'"));
  }
  if (const auto failure = NothingLeft(sides)) co_return exchange.Error(*failure);
  // Written once beside the reply, and then into it.
  const size_t bytes = 3 * sides.images.size() * sides.texts.size() * json::kBytesPerFloat;
  Result<Reservation> room = co_await exchange.request.body.Reserve(bytes);
  if (!room.ok()) co_return exchange.Error(room.status());
  exchange.work.Absorb(*std::move(room));
  ReplyPlan plan;
  // There are never more pairs than four times the items' values, at 64 dimensions and 1,000 items.
  plan.bytes_per_value = json::kBytesPerFloat;
  plan.write = [&sides, &model](const pipeline::RequestResult&) { return WriteScores(sides, model); };
  net::Response response = co_await Reply(exchange, model, std::move(plan));
  co_return std::move(response);
}

net::Task<net::Response> ScoreJson(Exchange& exchange, const std::string& model) {
  Result<JsonBody> body = co_await exchange.ReceiveJson();
  if (!body.ok()) co_return exchange.Error(body.status());
  const EmbedService& service = exchange.services.embed;
  std::function<Result<ScoreCall, ApiError>(std::string_view)> parse = [&](std::string_view text) {
    return ParseScore(text, model, service);
  };
  Result<ScoreCall, ApiError> call = co_await exchange.Parse(*body, std::move(parse));
  if (!call.ok()) co_return exchange.Error(call.error());
  std::vector<bool> is_text(call->inputs.size());
  std::fill(is_text.begin() + static_cast<ptrdiff_t>(call->images), is_text.end(), true);
  std::optional<net::Response> failure = co_await RunInputs(exchange, call->model, EmbedOptions{},
                                                            std::move(call->inputs), std::move(body->paid));
  if (failure) co_return *std::move(failure);
  net::Response response = co_await ScoreReply(exchange, call->model, is_text);
  co_return std::move(response);
}

net::Task<net::Response> ScoreUpload(Exchange& exchange, std::string model) {
  Upload upload{{std::move(model), true}};
  std::optional<net::Response> failure = co_await ReceiveUpload(exchange, upload, false);
  if (failure) co_return *std::move(failure);
  net::Response response = co_await ScoreReply(exchange, upload.model, upload.is_text);
  co_return std::move(response);
}

}  // namespace

Result<ScoreCall, ApiError> ParseScore(std::string_view text, std::string_view model,
                                       const EmbedService& service) {
  const auto document = ParseObject(text, "{\"images\": [...], \"texts\": [...]}");
  if (!document.ok()) return document.error();
  json::FieldReader fields(document->get_object());
  fields.RejectUnknown({"images", "texts", "model"});
  const std::string_view named = fields.String("model");
  const ListedInputs listed = ReadListed(fields);
  CheckCount(fields, "images", "image", listed.images.size(), service.max_items(Dialect::kNative) - 1);
  CheckCount(fields, "texts", "text", listed.texts.size(),
             service.max_items(Dialect::kNative) - static_cast<int>(listed.images.size()));
  if (!fields.ok()) return FieldError(fields);
  const auto found = service.FindModel(named.empty() ? model : named);
  if (!found.ok()) return found.error();
  const Status takes_text = CheckTakesText(*found, "field \"texts\"");
  if (!takes_text.ok()) return ApiError{takes_text, "texts"};
  return ScoreCall{*found, listed.Make(), listed.images.size()};
}

void WriteScoreRule(json::Writer& writer, const pipeline::ScoreRule& rule) {
  writer.BeginObject().Field("function", rule.sigmoid ? "sigmoid" : "softmax");
  std::string number;
  json::AppendFloat(number, rule.scale);
  writer.Key("scale").Raw(number);
  number.clear();
  json::AppendFloat(number, rule.bias);
  writer.Key("bias").Raw(number).EndObject();
}

std::vector<float> Probabilities(const pipeline::ScoreRule& rule, std::span<const float> cosines) {
  std::vector<double> logits;
  logits.reserve(cosines.size());
  double largest = -std::numeric_limits<double>::infinity();
  for (const float cosine : cosines) {
    logits.push_back(double{rule.scale} * cosine + rule.bias);
    if (!std::isnan(cosine)) largest = std::max(largest, logits.back());
  }
  std::vector<float> out;
  out.reserve(cosines.size());
  double sum = 0;
  for (double& logit : logits) {
    logit = rule.sigmoid ? 1 / (1 + std::exp(-logit)) : std::exp(logit - largest);
    if (!std::isnan(logit)) sum += logit;
  }
  for (const double value : logits) out.push_back(static_cast<float>(rule.sigmoid ? value : value / sum));
  return out;
}

net::Task<net::Response> HandleScore(Exchange& exchange) {
  const std::string model =
      exchange.request.head.QueryParameter("model").value_or(exchange.request.head.model_header);
  const std::string essence = net::ParseParameterised(exchange.request.head.content_type).value;
  net::Response response;
  if (essence == "multipart/form-data") {
    response = co_await ScoreUpload(exchange, model);
  } else {
    response = co_await ScoreJson(exchange, model);
  }
  co_return std::move(response);
}

}  // namespace photovec::api
