// SPDX-License-Identifier: MIT
#include "net/response.h"

namespace photovec::net {
namespace {

void AppendField(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  out += ": ";
  for (const char c : value) {
    if (c != '\r' && c != '\n' && c != '\0') out += c;
  }
  out += "\r\n";
}

}  // namespace

std::string WriteHead(const Response& response, const HeadOptions& options) {
  std::string out;
  out.reserve(512);
  out += options.http11 ? "HTTP/1.1 " : "HTTP/1.0 ";
  out += std::to_string(response.status);
  out += ' ';
  out += api::ReasonPhrase(response.status);
  out += "\r\nServer: photovec/" PHOTOVEC_VERSION "\r\n";
  AppendField(out, "Date", options.date);
  AppendField(out, "Content-Type", response.content_type);
  AppendField(out, "Content-Length", std::to_string(response.body.size()));
  for (const auto& [name, value] : response.headers) AppendField(out, name, value);
  if (!options.keep_alive) {
    out += "Connection: close\r\n";
  } else if (!options.http11) {
    out += "Connection: keep-alive\r\n";
  }
  return out += "\r\n";
}

Response ErrorResponse(api::Dialect dialect, const api::ApiError& error) {
  Response response;
  response.status = error.HttpStatusCode();
  response.body = api::ErrorBody(dialect, error);
  if (api::IsRetryable(response.status)) response.headers.emplace_back("Retry-After", "1");
  return response;
}

Response ClientGone() {
  Response response;
  response.status = HttpStatus(Code::kCancelled);
  response.silent = true;
  response.close = true;
  return response;
}

}  // namespace photovec::net
