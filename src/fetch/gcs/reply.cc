// SPDX-License-Identifier: MIT
#include "fetch/gcs/reply.h"

#include <algorithm>
#include <array>
#include <boost/json/value.hpp>
#include <optional>
#include <string_view>
#include <utility>

#include "base/checksum/crc.h"
#include "base/checksum/digest.h"
#include "base/json/reader.h"
#include "base/text/ascii.h"
#include "base/text/base64.h"
#include "fetch/gcs/token.h"

namespace photovec::fetch {
namespace {

namespace bjson = boost::json;

struct ErrorBody {
  std::string message;
  std::string reason;  ///< "notFound", "rateLimitExceeded"; empty when the body is not JSON
};

std::string TextOf(const bjson::object& object, std::string_view field) {
  const bjson::value* value = object.if_contains({field.data(), field.size()});
  if (value == nullptr || !value->is_string()) return {};
  return {value->get_string().begin(), value->get_string().end()};
}

/// {"error": {"message": "...", "errors": [{"reason": "..."}]}}, or else all of it as the message.
ErrorBody ParseError(std::string_view body) {
  const Result<bjson::object> parsed = photovec::json::ParseObject(body);
  if (!parsed.ok()) {
    const size_t first = body.find_first_not_of(" \t\r\n");
    const bool page = first != std::string_view::npos && (body[first] == '<' || body[first] == '{');
    return {page ? std::string() : std::string(body), ""};
  }
  const bjson::value* error = parsed->if_contains("error");
  if (error == nullptr || !error->is_object()) return {};
  ErrorBody out{TextOf(error->get_object(), "message"), ""};
  const bjson::value* list = error->get_object().if_contains("errors");
  if (list != nullptr && list->is_array() && !list->get_array().empty()) {
    if (const bjson::object* first = list->get_array().front().if_object())
      out.reason = TextOf(*first, "reason");
  }
  return out;
}

bool Says(const ErrorBody& error, std::initializer_list<std::string_view> any) {
  return std::any_of(any.begin(), any.end(), [&](std::string_view words) {
    const auto same = [](char a, char b) { return LowerAscii(a) == LowerAscii(b); };
    return std::search(error.message.begin(), error.message.end(), words.begin(), words.end(), same) !=
           error.message.end();
  });
}

Refusal NotFound(const ErrorBody& error) {
  const char* what = "the bucket has no such object";
  if (Says(error, {"bucket does not exist", "no such bucket"})) {
    what = "the bucket does not exist";
  } else if (error.message.empty()) {
    what = "there is no such object, or no such bucket";
  }
  return {.status = Status(Code::kNotFound, what)};
}

Refusal Denied(const Reply& reply, const ErrorBody& error, bool signed_in) {
  const bool worn_out = reply.status() == 401 || error.reason == "authError" ||
                        Says(error, {"invalid_token", "invalid credentials", "token expired", "expired token",
                                     "token has expired", "token is expired"});
  const std::string said = ShortReason(error.message);
  std::string message = "the bucket denied access";
  message += said.empty() ? " (HTTP " + std::to_string(reply.status()) + ")" : ": " + said;
  if (!signed_in) message += "; the server asks without credentials (--gcs-auth)";
  return {.status = Status(Code::kSourceFailed, std::move(message)),
          .renew_credentials = signed_in && worn_out};
}

/// The value of `name` in "crc32c=...,md5=..."; base64 has "=" at its end, hence the first one separates.
std::optional<std::string_view> HashIn(std::string_view header, std::string_view name) {
  while (!header.empty()) {
    const size_t comma = std::min(header.find(','), header.size());
    std::string_view part = header.substr(0, comma);
    header.remove_prefix(std::min(comma + 1, header.size()));
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    const size_t equals = part.find('=');
    if (equals != std::string_view::npos && part.substr(0, equals) == name) return part.substr(equals + 1);
  }
  return std::nullopt;
}

bool NamesGzip(const std::optional<std::string>& header) {
  return header && header->find("gzip") != std::string::npos;
}

Status Compare(std::string_view name, std::string_view promised, std::span<const uint8_t> actual) {
  const auto decoded = Base64Decode(promised);
  if (!decoded.ok() || decoded->size() != actual.size()) {
    return {Code::kChecksumMismatch, "the reply's " + std::string(name) + " is malformed"};
  }
  const bool same = std::equal(actual.begin(), actual.end(), decoded->begin(),
                               [](uint8_t a, char b) { return a == static_cast<uint8_t>(b); });
  if (same) return Status::Ok();
  return {Code::kChecksumMismatch,
          "the received bytes do not have the " + std::string(name) + " that the bucket promises"};
}

}  // namespace

Refusal JudgeGcsRefusal(const Reply& reply, bool signed_in) {
  const ErrorBody error = ParseError(reply.error_body());
  switch (reply.status()) {
    case 401:
      return Denied(reply, error, signed_in);
    case 403:
      if (error.reason == "rateLimitExceeded" || error.reason == "userRateLimitExceeded") {
        return {.status = Status(Code::kSourceFailed, "the bucket is asked too often"), .retry = true};
      }
      return Denied(reply, error, signed_in);
    case 404:
      return NotFound(error);
    case 412:
      return {.status = Status(Code::kSourceChanged, "the object was replaced while it was fetched")};
    default:
      break;
  }
  Refusal refusal = RefusalByStatus(reply, "the bucket");
  const std::string said = ShortReason(error.message);
  if (reply.status() == 400 && !said.empty()) {
    const bool unpaid = error.reason == "userProjectMissing" || Says(error, {"requester pays"});
    refusal.status = Status(refusal.status.code(), "the bucket answered 400: " + said +
                                                       (unpaid ? "; name one with --gcs-user-project" : ""));
  }
  return refusal;
}

std::string GcsVersion(const Reply& reply) {
  if (auto generation = reply.Header("x-goog-generation")) return *generation;
  return reply.Header("etag").value_or("");
}

Status VerifyGcsBody(const Reply& reply, std::span<const uint8_t> body) {
  const auto header = reply.Header("x-goog-hash");
  if (!header) return Status::Ok();
  const bool decompressed = NamesGzip(reply.Header("x-goog-stored-content-encoding")) &&
                            !NamesGzip(reply.Header("content-encoding"));
  if (decompressed) return Status::Ok();
  if (const auto promised = HashIn(*header, "crc32c")) {
    const uint32_t crc = Crc32c(body);
    const std::array<uint8_t, 4> big_endian = {static_cast<uint8_t>(crc >> 24),
                                               static_cast<uint8_t>(crc >> 16),
                                               static_cast<uint8_t>(crc >> 8), static_cast<uint8_t>(crc)};
    return Compare("CRC-32C", *promised, big_endian);
  }
  if (const auto promised = HashIn(*header, "md5")) {
    const auto md5 = Md5(body);
    if (!md5.ok()) return md5.status();
    return Compare("MD5", *promised, *md5);
  }
  return Status::Ok();
}

}  // namespace photovec::fetch
