// SPDX-License-Identifier: MIT
#include "api/errors.h"

#include <array>
#include <utility>

#include "base/json/writer.h"

namespace photovec::api {
namespace {

constexpr std::array kReasons = {
    std::pair{100, std::string_view("Continue")},
    std::pair{200, std::string_view("OK")},
    std::pair{400, std::string_view("Bad Request")},
    std::pair{401, std::string_view("Unauthorized")},
    std::pair{403, std::string_view("Forbidden")},
    std::pair{404, std::string_view("Not Found")},
    std::pair{405, std::string_view("Method Not Allowed")},
    std::pair{408, std::string_view("Request Timeout")},
    std::pair{409, std::string_view("Conflict")},
    std::pair{413, std::string_view("Content Too Large")},
    std::pair{415, std::string_view("Unsupported Media Type")},
    std::pair{422, std::string_view("Unprocessable Content")},
    std::pair{429, std::string_view("Too Many Requests")},
    std::pair{431, std::string_view("Request Header Fields Too Large")},
    std::pair{499, std::string_view("Client Closed Request")},
    std::pair{500, std::string_view("Internal Server Error")},
    std::pair{501, std::string_view("Not Implemented")},
    std::pair{502, std::string_view("Bad Gateway")},
    std::pair{503, std::string_view("Service Unavailable")},
    std::pair{504, std::string_view("Gateway Timeout")},
};

std::string_view CodeOf(const ApiError& error) {
  return error.code.empty() ? error.status.name() : std::string_view(error.code);
}

std::string OpenAiBody(const ApiError& error) {
  std::string out = R"({"error":{"message":)";
  json::AppendString(out, error.status.message());
  out += R"(,"type":)";
  json::AppendString(out, OpenAiErrorType(error.HttpStatusCode()));
  out += R"(,"param":)";
  if (error.param.empty()) {
    out += "null";
  } else {
    json::AppendString(out, error.param);
  }
  out += R"(,"code":)";
  json::AppendString(out, CodeOf(error));
  return out += "}}\n";
}

}  // namespace

void AppendErrorMembers(std::string& out, const Status& status) {
  out += R"("code":)";
  json::AppendString(out, status.name());
  out += R"(,"message":)";
  json::AppendString(out, status.message());
}

std::string ErrorBody(Dialect dialect, const ApiError& error) {
  if (dialect == Dialect::kOpenAi) return OpenAiBody(error);
  const bool native = dialect == Dialect::kNative;
  std::string out = native ? R"({"error":{"code":)" : R"({"message":)";
  json::AppendString(out, native ? CodeOf(error) : std::string_view(error.status.message()));
  out += native ? R"(,"message":)" : R"(,"data":null,"code":)";
  json::AppendString(out, native ? std::string_view(error.status.message()) : CodeOf(error));
  return out += native ? "}}\n" : "}\n";
}

std::string_view OpenAiErrorType(int http_status) {
  if (http_status == 401) return "authentication_error";
  if (http_status == 403) return "permission_error";
  if (http_status == 429) return "rate_limit_error";
  return http_status >= 500 ? "server_error" : "invalid_request_error";
}

bool IsRetryable(int http_status) { return http_status == 429 || http_status == 503; }

std::string_view ReasonPhrase(int http_status) {
  for (const auto& [status, reason] : kReasons) {
    if (status == http_status) return reason;
  }
  return "Unknown";
}

}  // namespace photovec::api
