// SPDX-License-Identifier: MIT
#include "fetch/http_transfer.h"

#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/strings.h"
#include "fetch/fetch_pool.h"
#include "fetch/reference.h"

namespace photovec::fetch {
namespace {

constexpr long kHttpOk = 200;
// Bodies of redirects and errors are read this far, so that the connection can be used again, and no further.
constexpr size_t kDiscardBytes = 16 * 1024;
constexpr long kReceiveBufferBytes = 64 * 1024;

bool IsRedirect(long status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

Status NotOnList() {
  return {Code::kSourceNotAllowed,
          "this host and port are not on the server's allow list (--allow-host HOST or HOST:PORT)"};
}

}  // namespace

bool RedirectAllowed(const HttpUrl& from, const HttpUrl& to, const UrlPolicy& policy) {
  return (to.https() || !from.https()) && policy.HostAllowed(to.host(), to.port());
}

Result<std::unique_ptr<HttpTransfer>> HttpTransfer::Create(FetchRequest& request, FetchCallback& done,
                                                           const FetchOptions& options,
                                                           const UrlPolicy& policy) {
  ASSIGN_OR_RETURN(HttpUrl url, HttpUrl::Parse(request.reference));
  if (!policy.HostAllowed(url.host(), url.port())) return NotOnList();
  std::unique_ptr<HttpTransfer> transfer(new HttpTransfer(std::move(url), options, policy));
  transfer->request_ = std::move(request);
  transfer->done_ = std::move(done);
  return transfer;
}

Status HttpTransfer::Prepare(curl_slist* headers) {
  easy_.reset(curl_easy_init());
  if (easy_ == nullptr) return {Code::kUnavailable, "out of memory"};
  body_.clear();
  body_begun_ = is_image_ = encoded_ = too_large_ = denied_ = tried_ = false;
  discarded_bytes_ = 0;
  if (!give_up_at_) give_up_at_ = Clock::now() + options_.total_timeout;

  bool ok = true;
  const auto set = [&](CURLoption option, auto value) {
    ok = curl_easy_setopt(easy_.get(), option, value) == CURLE_OK && ok;
  };
  set(CURLOPT_CURLU, url_.handle());
  set(CURLOPT_PRIVATE, this);
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_FOLLOWLOCATION, 0L);  // Redirect() does, with every check again
  set(CURLOPT_PROXY, "");           // not even from the environment
  set(CURLOPT_NOSIGNAL, 1L);
  // Without it, giving up on a transfer blocks this thread until getaddrinfo returns.
  set(CURLOPT_QUICK_EXIT, 1L);
  set(CURLOPT_OPENSOCKETFUNCTION, &HttpTransfer::OnOpenSocket);
  set(CURLOPT_OPENSOCKETDATA, this);
  set(CURLOPT_WRITEFUNCTION, &HttpTransfer::OnBody);
  set(CURLOPT_WRITEDATA, this);
  set(CURLOPT_HTTPHEADER, headers);
  set(CURLOPT_USERAGENT, "photovec/" PHOTOVEC_VERSION);
  set(CURLOPT_BUFFERSIZE, kReceiveBufferBytes);
  set(CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(request_.max_bytes));
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options_.connect_timeout.count()));
  set(CURLOPT_LOW_SPEED_LIMIT, static_cast<long>(options_.low_speed_bytes_per_s));
  set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(options_.low_speed_time.count()));
  if (!ok) return {Code::kUnavailable, "libcurl refused an option; it is older than 7.87 or out of memory"};
  return Status::Ok();
}

curl_socket_t HttpTransfer::OnOpenSocket(void* self, curlsocktype /*purpose*/, curl_sockaddr* address) {
  auto* transfer = static_cast<HttpTransfer*>(self);
  const auto ip = IpAddress::FromSockaddr(&address->addr);
  if (!ip || !transfer->policy_.AddressAllowed(*ip)) {
    transfer->denied_ = true;
    log::warn("fetch: {} leads to {}, which is not a public address; --allow-cidr would allow it",
              transfer->Origin(), ip ? ip->ToString() : "a local socket");
    return CURL_SOCKET_BAD;
  }
  transfer->tried_ = true;
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

size_t HttpTransfer::OnBody(char* data, size_t size, size_t count, void* self) {
  return static_cast<HttpTransfer*>(self)->Receive(data, size * count);
}

void HttpTransfer::BeginBody() {
  body_begun_ = true;
  is_image_ = HttpStatusCode() == kHttpOk;
  if (!is_image_) return;
  curl_header* header = nullptr;
  if (curl_easy_header(easy(), "Content-Encoding", 0, CURLH_HEADER, -1, &header) == CURLHE_OK) {
    const std::string_view value(header->value);
    encoded_ = !value.empty() && value != "identity";
  }
  curl_off_t length = -1;
  curl_easy_getinfo(easy(), CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  if (length > 0) body_.reserve(static_cast<size_t>(std::min<int64_t>(length, request_.max_bytes)));
}

/// Fewer bytes than came end the transfer.
size_t HttpTransfer::Receive(const char* data, size_t bytes) {
  if (!body_begun_) BeginBody();
  if (!is_image_) {
    discarded_bytes_ += bytes;
    return discarded_bytes_ > kDiscardBytes ? 0 : bytes;
  }
  too_large_ = static_cast<int64_t>(body_.size() + bytes) > request_.max_bytes;
  if (encoded_ || too_large_) return 0;
  body_.append(data, bytes);
  return bytes;
}

long HttpTransfer::HttpStatusCode() const {
  long status = 0;
  curl_easy_getinfo(easy(), CURLINFO_RESPONSE_CODE, &status);
  return status < kHttpOk ? 0 : status;  // 1xx: the answer proper never came
}

Status HttpTransfer::TooLarge() const {
  return {Code::kBodyTooLarge, "the image has more than " + HumanBytes(static_cast<uint64_t>(
                                                                std::max<int64_t>(request_.max_bytes, 0)))};
}

Status HttpTransfer::ConnectError(CURLcode code) const {
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return {Code::kSourceTimeout, "the origin did not answer in time"};
    case CURLE_COULDNT_RESOLVE_HOST:
      return {Code::kSourceFailed, "the host name could not be resolved"};
    default:
      // Nothing about addresses: this answer must not become a port scanner.
      if (denied_ && !tried_) return {Code::kSourceNotAllowed, "this source is not allowed"};
      return {Code::kSourceFailed, std::string("no answer from the origin: ") + curl_easy_strerror(code)};
  }
}

Status HttpTransfer::BodyError(CURLcode code) const {
  if (encoded_) return {Code::kSourceFailed, "the origin compressed the image although it was asked not to"};
  if (too_large_ || code == CURLE_FILESIZE_EXCEEDED) return TooLarge();
  switch (code) {
    case CURLE_OK:
      return Status::Ok();
    case CURLE_OPERATION_TIMEDOUT:
      return {Code::kSourceTimeout, "the origin sent the image too slowly"};
    case CURLE_PARTIAL_FILE:
      return {Code::kSourceFailed, "the origin sent less than it had promised"};
    default:
      return {Code::kSourceFailed, std::string("the download broke off: ") + curl_easy_strerror(code)};
  }
}

HttpTransfer::Outcome HttpTransfer::HopDone(CURLcode code) {
  const long status = HttpStatusCode();
  if (status == 0) return ConnectError(code);
  if (IsRedirect(status)) {
    const char* location = nullptr;
    curl_easy_getinfo(easy(), CURLINFO_REDIRECT_URL, &location);
    if (location != nullptr) return Redirect(location);
  }
  if (status == 404 || status == 410) {
    return Status(Code::kNotFound, "the origin answered " + std::to_string(status));
  }
  if (status != kHttpOk) {
    return Status(Code::kSourceFailed, "the origin answered " + std::to_string(status));
  }
  if (!body_begun_) BeginBody();
  const Status error = BodyError(code);
  if (!error.ok()) return error;
  return Bytes::Own(std::move(body_));
}

HttpTransfer::Outcome HttpTransfer::Redirect(const std::string& location) {
  if (redirects_ >= options_.max_redirects) {
    return Status(Code::kTooManyRedirects,
                  "more than " + std::to_string(options_.max_redirects) + " redirects");
  }
  ++redirects_;
  Result<HttpUrl> next = HttpUrl::Parse(location);
  // Where it led is the origin's secret; the client hears only that it was refused.
  const Status refused(Code::kSourceNotAllowed, "it redirects to a place that is not allowed");
  if (!next.ok()) {
    log::warn("fetch: {} redirects to {}: {}", Origin(), Shown(location), next.status().message());
    return refused;
  }
  if (!RedirectAllowed(url_, *next, policy_)) {
    log::warn("fetch: {} redirects to {}, which is not on the allow list or not https any more", Origin(),
              next->Origin());
    return refused;
  }
  easy_.reset();  // it refers to the URL that goes away now
  url_ = std::move(next).value();
  return std::nullopt;
}

Status HttpTransfer::StillRunning() const {
  RETURN_IF_ERROR(StillWanted(request_));
  if (give_up_at_ && Clock::now() >= *give_up_at_) {
    return {Code::kSourceTimeout,
            "the origin took longer than " + std::to_string(options_.total_timeout.count()) + " ms"};
  }
  return Status::Ok();
}

void HttpTransfer::Finish(Result<Bytes> result) {
  const FetchCallback done = std::move(done_);
  if (result.ok()) {
    done(std::move(result));
    return;
  }
  const Status status = result.status().WithContext(Shown(request_.reference));
  log::debug("fetch: {}", status.ToString());
  done(status);
}

}  // namespace photovec::fetch
