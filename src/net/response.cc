// SPDX-License-Identifier: MIT
#include "net/response.h"

#include <array>

#include "base/status.h"

namespace photovec::net {
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
    std::pair{421, std::string_view("Misdirected Request")},
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
  out += ReasonPhrase(response.status);
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

std::string_view ReasonPhrase(int http_status) {
  for (const auto& [status, reason] : kReasons) {
    if (status == http_status) return reason;
  }
  return "Unknown";
}

Response ClientGone() {
  Response response;
  response.status = HttpStatus(Code::kCancelled);
  response.code = CodeName(Code::kCancelled);
  response.silent = true;
  response.close = true;
  return response;
}

}  // namespace photovec::net
