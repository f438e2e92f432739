// SPDX-License-Identifier: MIT
#include "fetch/http/http_url.h"

#include <curl/curl.h>

#include <charconv>
#include <string_view>

#include "base/text/ascii.h"

namespace photovec::fetch {
namespace {

std::string Part(CURLU* handle, CURLUPart part, unsigned flags) {
  char* text = nullptr;
  if (curl_url_get(handle, part, &text, flags) != CURLUE_OK) return {};
  std::string copy(text);
  curl_free(text);
  return copy;
}

bool PlainHost(std::string_view host) {
  constexpr std::string_view kName = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
  if (!host.starts_with('[')) return !host.empty() && host.find_first_not_of(kName) == std::string_view::npos;
  // A zone ("%eth0") would choose one of our interfaces: not for clients to say.
  constexpr std::string_view kV6 = "0123456789abcdefABCDEF:.";
  return host.size() > 2 && host.ends_with(']') &&
         host.substr(1, host.size() - 2).find_first_not_of(kV6) == std::string_view::npos;
}

Status Bad(std::string what) { return {Code::kInvalidRequest, std::move(what)}; }

}  // namespace

std::string HttpUrl::Cleaned(std::string_view text) {
  std::string cleaned;
  for (const char c : TrimAscii(text)) {
    if (c == ' ') {
      cleaned += "%20";
    } else if (c != '\t' && c != '\r' && c != '\n') {
      cleaned += c;
    }
  }
  return cleaned;
}

Result<HttpUrl> HttpUrl::Parse(const std::string& text) {
  if (text.find('\0') != std::string::npos) return Bad("the URL contains NUL");
  HttpUrl url;
  url.handle_.reset(curl_url());
  if (url.handle_ == nullptr) return Status(Code::kUnavailable, "out of memory");
  const CURLUcode code = curl_url_set(url.handle(), CURLUPART_URL, text.c_str(), CURLU_DISALLOW_USER);
  if (code == CURLUE_USER_NOT_ALLOWED) return Bad("URLs with user name or password are not accepted");
  if (code == CURLUE_UNSUPPORTED_SCHEME) {
    return Status(Code::kSourceNotAllowed, "only http and https URLs are fetched");
  }
  if (code != CURLUE_OK) return Bad(std::string("malformed URL: ") + curl_url_strerror(code));

  const std::string scheme = Part(url.handle(), CURLUPART_SCHEME, 0);
  url.https_ = scheme == "https";
  if (!url.https_ && scheme != "http") {
    return Status(Code::kSourceNotAllowed, "only http and https URLs are fetched");
  }
  url.host_ = Part(url.handle(), CURLUPART_HOST, 0);
  if (!PlainHost(url.host_)) {
    return Bad("malformed host in the URL; write international names in their xn-- form");
  }
  if (!Part(url.handle(), CURLUPART_ZONEID, 0).empty()) return Bad("a zone in the URL's address");
  const std::string port = Part(url.handle(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
  std::from_chars(port.data(), port.data() + port.size(), url.port_);
  if (url.port_ < 1 || url.port_ > 65535) return Bad("the port of the URL is not between 1 and 65535");
  return url;
}

std::string HttpUrl::Origin() const {
  return (https_ ? "https://" : "http://") + host_ + ":" + std::to_string(port_);
}

}  // namespace photovec::fetch
