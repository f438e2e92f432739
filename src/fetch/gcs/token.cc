// SPDX-License-Identifier: MIT
#include "fetch/gcs/token.h"

#include <algorithm>
#include <boost/json/value.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>

#include "base/json/reader.h"

namespace photovec::fetch {
namespace {

namespace bjson = boost::json;

constexpr size_t kReasonBytes = 160;
// RFC 6749 only recommends to say how long a token lives.
constexpr int64_t kUnsaidLifeSeconds = 300;
constexpr int64_t kLongestLifeSeconds = 24 * 3'600;

bool Printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7F; });
}

/// "invalid_grant: Invalid JWT Signature." from either form of error that Google's endpoints have.
std::string ErrorOf(const bjson::value& answer) {
  const bjson::object* object = answer.if_object();
  const bjson::value* error = object != nullptr ? object->if_contains("error") : nullptr;
  if (error == nullptr) return {};
  std::string text;
  if (error->is_string()) text = error->get_string().c_str();
  const bjson::value* detail = object->if_contains("error_description");
  if (const bjson::object* inner = error->if_object()) detail = inner->if_contains("message");
  if (detail != nullptr && detail->is_string()) {
    if (!text.empty()) text += ": ";
    text += detail->get_string().c_str();
  }
  return text;
}

Result<Refreshing<AccessToken>::Made> TokenOf(const bjson::value& answer, TimePoint asked) {
  const bjson::object* object = answer.if_object();
  const bjson::value* token = object != nullptr ? object->if_contains("access_token") : nullptr;
  if (token == nullptr || !token->is_string() || token->get_string().empty()) {
    return Status(Code::kSourceFailed, "answered 200 without an access_token");
  }
  const std::string text = token->get_string().c_str();
  if (!Printable(text)) return Status(Code::kSourceFailed, "gave a token that no header can carry");
  int64_t life = kUnsaidLifeSeconds;
  if (const bjson::value* seconds = object->if_contains("expires_in")) {
    boost::system::error_code bad;
    life = seconds->to_number<int64_t>(bad);
    if (bad) return Status(Code::kSourceFailed, "gave a token with an expires_in that is no number");
  }
  life = std::clamp<int64_t>(life, 0, kLongestLifeSeconds);
  return Refreshing<AccessToken>::Made{
      .value = std::make_shared<const AccessToken>(AccessToken{"Authorization: Bearer " + text}),
      .expires = asked + std::chrono::seconds(life)};  // from before the call: rather too early
}

}  // namespace

std::string ShortReason(std::string_view text) {
  std::string out;
  while (!text.empty() && out.size() < kReasonBytes) {
    const size_t begin = std::min(text.find_first_not_of(" \t\r\n"), text.size());
    text.remove_prefix(begin);
    const size_t end = std::min(text.find_first_of(" \t\r\n"), text.size());
    if (end == 0) break;
    if (!out.empty()) out += ' ';
    if (text.substr(0, end).find('@') != std::string_view::npos) {
      out += "(account)";
    } else {
      for (const char c : text.substr(0, end)) out += c > 0x20 && c < 0x7F ? c : '?';
    }
    text.remove_prefix(end);
  }
  if (out.size() > kReasonBytes) out.replace(kReasonBytes, std::string::npos, "...");
  return out;
}

Result<Refreshing<AccessToken>::Made> AskForToken(const HttpCaller& http, const HttpCall& call,
                                                  std::string_view endpoint) {
  const auto out_of_order = [](const Result<HttpAnswer>& answer) {
    if (!answer.ok()) return answer.status().code() == Code::kSourceFailed;  // a timeout took long enough
    return answer->status >= 500 || answer->status == 429;
  };
  const TimePoint asked = Clock::now();
  Result<HttpAnswer> answer = http.Call(call);
  if (out_of_order(answer)) answer = http.Call(call);
  if (!answer.ok()) return answer.status().WithContext(endpoint);
  const Result<bjson::value> parsed = photovec::json::Parse(answer->body);
  if (answer->status != 200) {
    const std::string reason = parsed.ok() ? ShortReason(ErrorOf(*parsed)) : std::string();
    return Status(Code::kSourceFailed, std::string(endpoint) + " answered " + std::to_string(answer->status) +
                                           (reason.empty() ? "" : ": " + reason));
  }
  if (!parsed.ok())
    return Status(Code::kSourceFailed, std::string(endpoint) + " answered 200 with something not JSON");
  auto token = TokenOf(*parsed, asked);
  if (!token.ok())
    return Status(token.status().code(), std::string(endpoint) + " " + token.status().message());
  return token;
}

}  // namespace photovec::fetch
