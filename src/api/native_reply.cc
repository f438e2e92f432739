// SPDX-License-Identifier: MIT
#include <array>
#include <utility>

#include "api/native.h"
#include "base/bytes.h"
#include "base/json/writer.h"
#include "base/vectors.h"

namespace photovec::api {
namespace {

// A header must stay below what clients accept in a line (64 KiB in Python's http.client).
constexpr size_t kItemsInHeader = 50;

struct Shape {
  size_t rows = 0;
  size_t columns = 0;
};

std::string WriteJson(const pipeline::RequestResult& result, const pipeline::ModelView& model, Shape shape,
                      const EmbedOptions& options, Room room) {
  std::string out;
  out.reserve(512 + shape.rows * shape.columns * json::kBytesPerFloat);
  out += "{\"model\":";
  json::AppendString(out, model.name);
  out += ",\"fingerprint\":";
  json::AppendString(out, model.fingerprint);
  out += ",\"dimensions\":";
  json::AppendInt(out, static_cast<int64_t>(shape.columns));
  out += options.normalize ? ",\"normalized\":true," : ",\"normalized\":false,";
  if (room == Room::kOne) {
    out += "\"embedding\":";
    json::AppendFloats(out, result.items.front().embedding);
    AppendDamage(out, result.items.front());
    return out += "}\n";
  }
  out += "\"embeddings\":[";
  for (size_t i = 0; i < shape.rows; ++i) {
    if (i != 0) out += ',';
    if (result.items[i].status.ok()) {
      json::AppendFloats(out, result.items[i].embedding);
    } else {
      out += "null";
    }
  }
  out += "],\"errors\":";
  AppendItemErrors(out, result);
  if (const std::string damaged = DamagedList(result); !damaged.empty()) out += ",\"damaged\":" + damaged;
  return out += "}\n";
}

/// A failed image's row is zeros: a number that no vector has, and that spoils no sum as NaN would.
std::string WriteRows(std::string head, const pipeline::RequestResult& result, Shape shape) {
  std::string out = std::move(head);
  const size_t row_bytes = shape.columns * sizeof(float);
  out.reserve(out.size() + shape.rows * row_bytes);
  for (const pipeline::ItemResult& item : result.items) {
    if (item.status.ok()) {
      out += FloatBytes(item.embedding);
    } else {
      out.append(row_bytes, '\0');
    }
  }
  return out;
}

void AddItemHeaders(net::Response& response, const pipeline::RequestResult& result) {
  size_t failed = 0;
  std::string list = "[";
  for (size_t i = 0; i < result.items.size(); ++i) {
    const Status& status = result.items[i].status;
    if (status.ok() || ++failed > kItemsInHeader) continue;
    if (failed > 1) list += ',';
    list += "{\"index\":" + std::to_string(i) + ",\"code\":\"" + std::string(status.name()) + "\"}";
  }
  response.headers.emplace_back("X-Photovec-Error-Count", std::to_string(failed));
  if (failed > 0) response.headers.emplace_back("X-Photovec-Errors", list + "]");
  const std::string damaged = DamagedList(result, kItemsInHeader);
  if (!damaged.empty()) response.headers.emplace_back("X-Photovec-Damaged", damaged);
}

}  // namespace

net::Task<net::Response> NativeReply(Exchange& exchange, const pipeline::ModelView& model,
                                     const EmbedOptions& options, Room room) {
  constexpr std::array kOffers = {net::ReplyOffer{"application/json", net::ReplyForm::kJson},
                                  net::ReplyOffer{"application/octet-stream", net::ReplyForm::kRows},
                                  net::ReplyOffer{"application/x-npy", net::ReplyForm::kNpy}};
  const pipeline::RequestResult& result = *exchange.result;
  if (const auto failure = WholeFailure(result, false)) co_return exchange.Error(*failure);

  const Shape shape{result.items.size(), EmbeddingDim(model)};
  const net::ReplyForm form = net::NegotiateReply(exchange.request.head.accept, kOffers);
  ReplyPlan plan;
  if (form == net::ReplyForm::kJson) {
    plan.bytes_per_value = json::kBytesPerFloat;
    plan.write = [&](const pipeline::RequestResult& r) { return WriteJson(r, model, shape, options, room); };
  } else {
    plan.bytes_per_value = sizeof(float);
    plan.content_type = form == net::ReplyForm::kNpy ? "application/x-npy" : "application/octet-stream";
    plan.write = [&](const pipeline::RequestResult& r) {
      return WriteRows(form == net::ReplyForm::kNpy
                           ? NpyHeader(static_cast<int64_t>(shape.rows), static_cast<int64_t>(shape.columns))
                           : "",
                       r, shape);
    };
  }
  net::Response response = co_await Reply(exchange, model, std::move(plan));
  if (form != net::ReplyForm::kJson && response.status == 200) {
    response.headers.emplace_back("X-Photovec-Shape",
                                  std::to_string(shape.rows) + "," + std::to_string(shape.columns));
    AddItemHeaders(response, result);
  }
  co_return std::move(response);
}

}  // namespace photovec::api
