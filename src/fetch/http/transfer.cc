// SPDX-License-Identifier: MIT
#include "fetch/http/transfer.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/text/sizes.h"
#include "fetch/reference.h"

namespace photovec::fetch {
namespace {

constexpr long kHttpOk = 200;
// Bodies of redirects and errors are read this far: for what they say, and so that the connection can be used
// again.
constexpr size_t kErrorBytes = 16 * 1024;
// A photo of 150 KB arrives in two reads.
constexpr long kReceiveBufferBytes = 128 * 1024;

bool IsRedirect(long status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

}  // namespace

bool RedirectAllowed(const HttpUrl& from, const HttpUrl& to, const UrlPolicy& policy) {
  return (to.https() || !from.https()) && policy.HostAllowed(to.host(), to.port());
}

Transfer* Transfer::Of(CURL* easy) {
  char* self = nullptr;
  curl_easy_getinfo(easy, CURLINFO_PRIVATE, &self);
  return reinterpret_cast<Transfer*>(self);
}

Status Transfer::Begin(const std::string& url, const std::vector<std::string>& headers) {
  if (trust_ == Trust::kPublic) {
    ASSIGN_OR_RETURN(url_, HttpUrl::Parse(url));
  }
  headers_ = HeaderList(headers);
  headers_.Add("Accept-Encoding: identity");
  if (!headers_.ok()) return {Code::kUnavailable, "out of memory"};
  return Prepare(url, headers_.get());
}

Status Transfer::Prepare(const std::string& url, curl_slist* headers) {
  easy_ = context_.handles.Take();
  if (easy_ == nullptr) return {Code::kUnavailable, "out of memory"};
  body_.clear();
  received_bytes_ = 0;
  reusable_ = false;
  body_begun_ = is_image_ = encoded_ = too_large_ = denied_ = tried_ = false;

  const FetchOptions& options = context_.options;
  bool ok = true;
  const auto set = [&](CURLoption option, auto value) {
    ok = curl_easy_setopt(easy(), option, value) == CURLE_OK && ok;
  };
  if (url_) {
    set(CURLOPT_CURLU, url_->handle());
  } else {
    set(CURLOPT_URL, url.c_str());
    set(CURLOPT_PATH_AS_IS, 1L);  // "a//b" and "a/../b" are names of objects
  }
  set(CURLOPT_PRIVATE, this);
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!options.ca_file.empty()) set(CURLOPT_CAINFO, options.ca_file.c_str());
  set(CURLOPT_FOLLOWLOCATION, 0L);  // FollowRedirect() does, with every check again
  if (trust_ == Trust::kPublic || !options.use_env_proxy) set(CURLOPT_PROXY, "");
  set(CURLOPT_NOSIGNAL, 1L);
  // Without it, giving up on a transfer blocks this thread until getaddrinfo returns.
  set(CURLOPT_QUICK_EXIT, 1L);
  set(CURLOPT_OPENSOCKETFUNCTION, &Transfer::OnOpenSocket);
  set(CURLOPT_OPENSOCKETDATA, this);
  set(CURLOPT_PREREQFUNCTION, &Transfer::OnRequest);
  set(CURLOPT_PREREQDATA, this);
  set(CURLOPT_WRITEFUNCTION, &Transfer::OnBody);
  set(CURLOPT_WRITEDATA, this);
  set(CURLOPT_HTTPHEADER, headers);
  set(CURLOPT_USERAGENT, options.user_agent.c_str());
  set(CURLOPT_BUFFERSIZE, kReceiveBufferBytes);
  set(CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(max_bytes_));
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout.count()));
  set(CURLOPT_LOW_SPEED_LIMIT, static_cast<long>(options.low_speed_bytes_per_s));
  set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(options.low_speed_time.count()));
  if (!ok) return {Code::kUnavailable, "libcurl refused an option; it is older than 7.87 or out of memory"};
  return Status::Ok();
}

std::string Transfer::Place() const { return url_ ? url_->Origin() : std::string("the endpoint"); }

curl_socket_t Transfer::OnOpenSocket(void* self, curlsocktype /*purpose*/, curl_sockaddr* address) {
  auto* transfer = static_cast<Transfer*>(self);
  if (transfer->trust_ == Trust::kPublic) {
    const auto ip = IpAddress::FromSockaddr(&address->addr);
    if (!ip || !transfer->context_.policy.AddressAllowed(*ip)) {
      transfer->denied_ = true;
      log::warn("fetch: {} leads to {}, which is not a public address; --allow-cidr would allow it",
                transfer->Place(), ip ? ip->ToString() : "a local socket");
      return CURL_SOCKET_BAD;
    }
  }
  transfer->tried_ = true;
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/// A connection that is used again opened no socket for this transfer, and a store's may lead where clients
/// may not go.
int Transfer::OnRequest(void* self, char* remote_ip, char* /*local_ip*/, int /*remote_port*/,
                        int /*local_port*/) {
  auto* transfer = static_cast<Transfer*>(self);
  if (transfer->trust_ == Trust::kOperator) return CURL_PREREQFUNC_OK;
  const auto ip = IpAddress::Parse(remote_ip);
  if (ip && transfer->context_.policy.AddressAllowed(*ip)) return CURL_PREREQFUNC_OK;
  transfer->denied_ = true;
  return CURL_PREREQFUNC_ABORT;
}

size_t Transfer::OnBody(char* data, size_t size, size_t count, void* self) {
  return static_cast<Transfer*>(self)->Receive(data, size * count);
}

void Transfer::BeginBody() {
  body_begun_ = true;
  is_image_ = status() == kHttpOk;
  if (!is_image_) return;
  const auto encoding = Header("Content-Encoding");
  encoded_ = encoding && !encoding->empty() && *encoding != "identity";
  curl_off_t length = -1;
  curl_easy_getinfo(easy(), CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  if (length > 0) body_.reserve(static_cast<size_t>(std::min<int64_t>(length, max_bytes_)));
}

/// Fewer bytes than came end the transfer.
size_t Transfer::Receive(const char* data, size_t bytes) {
  if (!body_begun_) BeginBody();
  received_bytes_ += bytes;
  if (!is_image_) {
    body_.append(data, std::min(bytes, kErrorBytes - std::min(body_.size(), kErrorBytes)));
    return received_bytes_ > kErrorBytes ? 0 : bytes;
  }
  too_large_ = static_cast<int64_t>(received_bytes_) > max_bytes_;
  if (encoded_ || too_large_) return 0;
  body_.append(data, bytes);
  return bytes;
}

long Transfer::status() const {
  long status = 0;
  curl_easy_getinfo(easy(), CURLINFO_RESPONSE_CODE, &status);
  return status < kHttpOk ? 0 : status;  // 1xx: the answer proper never came
}

std::optional<std::string> Transfer::Header(std::string_view name) const {
  const std::string terminated(name);
  std::optional<std::string> joined;
  curl_header* header = nullptr;
  size_t amount = 1;
  for (size_t i = 0; i < amount; ++i) {
    if (curl_easy_header(easy(), terminated.c_str(), i, CURLH_HEADER, -1, &header) != CURLHE_OK) break;
    amount = header->amount;
    joined = joined ? *joined + ", " + header->value : std::string(header->value);
  }
  return joined;
}

Transfer::Outcome Transfer::Fail(Status status, bool worth_retrying) {
  failure_ = std::move(status);
  worth_retrying_ = worth_retrying;
  return Outcome::kFailed;
}

Transfer::Outcome Transfer::ConnectFailed(CURLcode code) {
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return Fail({Code::kSourceTimeout, "the origin did not answer in time"}, true);
    case CURLE_COULDNT_RESOLVE_HOST:
      return Fail({Code::kSourceFailed, "the host name could not be resolved"}, true);
    case CURLE_PEER_FAILED_VERIFICATION:
      return Fail({Code::kSourceFailed, "the origin's TLS certificate is not valid for it"}, false);
    default:
      break;
  }
  // Nothing about addresses: this answer must not become a port scanner.
  if (denied_ && !tried_) return Fail({Code::kSourceNotAllowed, "this source is not allowed"}, false);
  return Fail({Code::kSourceFailed, std::string("no answer from the origin: ") + curl_easy_strerror(code)},
              true);
}

Transfer::Outcome Transfer::BodyDone(CURLcode code) {
  if (encoded_) {
    return Fail({Code::kSourceFailed, "the origin compressed the image although it was asked not to"}, false);
  }
  if (too_large_ || code == CURLE_FILESIZE_EXCEEDED) {
    too_large_ = true;
    const auto most = static_cast<uint64_t>(std::max<int64_t>(max_bytes_, 0));
    return Fail({Code::kBodyTooLarge, "the image has more than " + HumanBytes(most)}, false);
  }
  switch (code) {
    case CURLE_OK:
      return Outcome::kBody;
    case CURLE_OPERATION_TIMEDOUT:
      return Fail({Code::kSourceTimeout, "the origin sent the image too slowly"}, true);
    case CURLE_PARTIAL_FILE:
      return Fail({Code::kSourceFailed, "the origin sent less than it had promised"}, true);
    default:
      return Fail({Code::kSourceFailed, std::string("the download broke off: ") + curl_easy_strerror(code)},
                  true);
  }
}

Transfer::Outcome Transfer::Finish(CURLcode code) {
  reusable_ = code == CURLE_OK;
  const long answered = status();
  if (answered == 0) return ConnectFailed(code);
  if (!body_begun_) BeginBody();
  if (is_image_) return BodyDone(code);
  if (IsRedirect(answered) && trust_ == Trust::kPublic) {
    const char* location = nullptr;
    curl_easy_getinfo(easy(), CURLINFO_REDIRECT_URL, &location);
    if (location != nullptr) return FollowRedirect(location);
  }
  return Outcome::kRefused;
}

Transfer::Outcome Transfer::FollowRedirect(const std::string& location) {
  const int most = context_.options.max_redirects;
  if (redirects_ >= most) {
    return Fail({Code::kTooManyRedirects, "more than " + std::to_string(most) + " redirects"}, false);
  }
  ++redirects_;
  Result<HttpUrl> next = HttpUrl::Parse(location);
  // Where it led is the origin's secret; the client hears only that it was refused.
  const Status refused(Code::kSourceNotAllowed, "it redirects to a place that is not allowed");
  if (!next.ok()) {
    log::warn("fetch: {} redirects to {}: {}", Place(), Shown(location), next.status().message());
    return Fail(refused, false);
  }
  if (!RedirectAllowed(*url_, *next, context_.policy)) {
    log::warn("fetch: {} redirects to {}, which is not on the allow list or not https any more", Place(),
              next->Origin());
    return Fail(refused, false);
  }
  // Headers that were signed for one origin are nobody else's business.
  if (next->Origin() != url_->Origin()) headers_ = HeaderList({"Accept-Encoding: identity"});
  // It refers to the URL that goes away now.
  if (std::exchange(reusable_, false)) context_.handles.Give(std::move(easy_));
  easy_.reset();
  url_ = std::move(next).value();
  Status prepared = Prepare({}, headers_.get());
  return prepared.ok() ? Outcome::kRedirect : Fail(std::move(prepared), false);
}

}  // namespace photovec::fetch
