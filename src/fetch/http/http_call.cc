// SPDX-License-Identifier: MIT
#include "fetch/http/http_call.h"

#include <curl/curl.h>

#include <memory>
#include <string_view>

#include "base/text/ascii.h"
#include "fetch/http/curl_loop.h"
#include "fetch/http/http_url.h"

namespace photovec::fetch {
namespace {

constexpr size_t kMostBytes = size_t{1} << 20;

size_t OnBody(char* data, size_t size, size_t count, void* to) {
  auto& body = static_cast<HttpAnswer*>(to)->body;
  const size_t bytes = size * count;
  if (body.size() + bytes > kMostBytes) return 0;
  body.append(data, bytes);
  return bytes;
}

void TakeHeaders(CURL* easy, HttpAnswer& answer) {
  curl_header* header = nullptr;
  while ((header = curl_easy_nextheader(easy, CURLH_HEADER, -1, header)) != nullptr) {
    answer.headers[LowerAscii(std::string_view(header->name))] = header->value;
  }
}

Status Failure(CURLcode code, const HttpAnswer& answer, const std::string& origin) {
  if (code == CURLE_OPERATION_TIMEDOUT) return {Code::kSourceTimeout, origin + " did not answer in time"};
  if (code == CURLE_WRITE_ERROR && !answer.body.empty()) {
    return {Code::kSourceFailed, origin + " answered with more than 1 MiB"};
  }
  return {Code::kSourceFailed, "no answer from " + origin + ": " + curl_easy_strerror(code)};
}

}  // namespace

Result<HttpAnswer> CurlCaller::Call(const HttpCall& call) const {
  ASSIGN_OR_RETURN(const HttpUrl url, HttpUrl::Parse(call.url));
  RETURN_IF_ERROR(StartCurl());
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> easy(curl_easy_init(), &curl_easy_cleanup);
  if (easy == nullptr) return Status(Code::kUnavailable, "out of memory");
  // Expect: a token endpoint that knows nothing of "100-continue" would cost a second.
  HeaderList headers({"Expect:"});
  for (const std::string& header : call.headers) headers.Add(header);
  HttpAnswer answer;
  bool ok = headers.ok();
  const auto set = [&](CURLoption option, auto value) {
    ok = curl_easy_setopt(easy.get(), option, value) == CURLE_OK && ok;
  };
  set(CURLOPT_CURLU, url.handle());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(CURLOPT_PROXY, "");
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_USERAGENT, "photovec/" PHOTOVEC_VERSION);
  set(CURLOPT_HTTPHEADER, headers.get());
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(call.connect_timeout.count()));
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(call.timeout.count()));
  set(CURLOPT_WRITEFUNCTION, &OnBody);
  set(CURLOPT_WRITEDATA, &answer);
  if (call.method != "GET") {
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(call.body.size()));
    set(CURLOPT_POSTFIELDS, call.body.data());
    set(CURLOPT_CUSTOMREQUEST, call.method.c_str());
  }
  if (!ok)
    return Status(Code::kUnavailable, "libcurl refused an option; it is older than 7.87 or out of memory");
  const CURLcode code = curl_easy_perform(easy.get());
  if (code != CURLE_OK) return Failure(code, answer, url.Origin());
  curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &answer.status);
  TakeHeaders(easy.get(), answer);
  return answer;
}

}  // namespace photovec::fetch
