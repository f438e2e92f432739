// SPDX-License-Identifier: MIT
#include "api/errors.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "base/json/writer.h"

namespace photovec::api {
namespace {

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

net::Response ErrorResponse(Dialect dialect, const ApiError& error) {
  net::Response response;
  response.status = error.HttpStatusCode();
  response.body = ErrorBody(dialect, error);
  if (IsRetryable(response.status)) {
    response.headers.emplace_back("Retry-After", std::to_string(std::max(1, error.retry_after_s)));
  }
  return response;
}

bool IsRetryable(int http_status) { return http_status == 429 || http_status == 503; }

}  // namespace photovec::api
