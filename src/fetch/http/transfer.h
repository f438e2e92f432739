// SPDX-License-Identifier: MIT
#pragma once

#include <curl/curl.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/deadline.h"
#include "base/result.h"
#include "fetch/http/curl_loop.h"
#include "fetch/http/http_url.h"
#include "fetch/http/url_policy.h"
#include "fetch/options.h"
#include "fetch/source.h"

namespace photovec::fetch {

/// Whether a redirect may be followed: the target must be on the allow list, and https never goes back to
/// http.
bool RedirectAllowed(const HttpUrl& from, const HttpUrl& to, const UrlPolicy& policy);

/// What all transfers of a downloader share. Outlives them.
struct TransferContext {
  const FetchOptions& options;
  const UrlPolicy& policy;
  EasyPool& handles;
};

/// One attempt to get one object, redirects included: libcurl's options and callbacks, and what an outcome
/// means. Knows nothing of queues, retries and other attempts. Used by one thread.
class Transfer final : public Reply {
 public:
  /// \param owner the id of its Download.
  Transfer(const TransferContext& context, Trust trust, int64_t max_bytes, uint64_t owner)
      : context_(context), trust_(trust), max_bytes_(max_bytes), owner_(owner) {}
  ~Transfer() override {
    if (reusable_) context_.handles.Give(std::move(easy_));
  }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  /// Readies the easy handle; then add it to a loop. Errors: kUnavailable, or as HttpUrl::Parse.
  Status Begin(const std::string& url, const std::vector<std::string>& headers);
  CURL* easy() const { return easy_.get(); }
  /// Of the easy handle of a transfer.
  static Transfer* Of(CURL* easy);

  enum class Outcome {
    kRedirect,  ///< followed: the easy handle is ready for the next request
    kBody,      ///< 200, and the whole body is here
    kRefused,   ///< another status: the source knows what it means
    kFailed,    ///< failure() says why
  };
  /// The request ended with `code`; the easy handle is out of the loop.
  Outcome Finish(CURLcode code);
  /// After kFailed.
  const Status& failure() const { return failure_; }
  bool worth_retrying() const { return worth_retrying_; }
  std::string TakeBody() { return std::move(body_); }

  // Reply, after kBody and kRefused.
  long status() const override;
  std::optional<std::string> Header(std::string_view name) const override;
  std::string_view error_body() const override {
    return is_image_ ? std::string_view() : std::string_view(body_);
  }

  uint64_t owner() const { return owner_; }
  int64_t max_bytes() const { return max_bytes_; }
  int64_t received_bytes() const { return static_cast<int64_t>(received_bytes_); }
  TimePoint started_at() const { return started_at_; }

 private:
  Status Prepare(const std::string& url, curl_slist* headers);
  static size_t OnBody(char* data, size_t size, size_t count, void* self);
  static curl_socket_t OnOpenSocket(void* self, curlsocktype purpose, curl_sockaddr* address);
  static int OnRequest(void* self, char* remote_ip, char* local_ip, int remote_port, int local_port);
  size_t Receive(const char* data, size_t bytes);
  void BeginBody();
  Outcome Fail(Status status, bool worth_retrying);
  Outcome ConnectFailed(CURLcode code);
  Outcome BodyDone(CURLcode code);
  Outcome FollowRedirect(const std::string& location);
  std::string Place() const;

  const TransferContext& context_;
  const Trust trust_;
  const int64_t max_bytes_;
  const uint64_t owner_;
  const TimePoint started_at_ = Clock::now();
  std::optional<HttpUrl> url_;  // Trust::kPublic: what was checked is what is fetched
  int redirects_ = 0;
  Status failure_;
  bool worth_retrying_ = false;

  // Of the current request; each redirect is a new one.
  HeaderList headers_;
  EasyPool::Handle easy_;
  std::string body_;
  bool reusable_ =
      false;  // libcurl 7.88 refuses CURLOPT_BUFFERSIZE on a handle that failed before connecting
  size_t received_bytes_ = 0;
  bool body_begun_ = false;
  bool is_image_ = false;  // the status is 200, so the body is what was asked for
  bool encoded_ = false;
  bool too_large_ = false;
  bool denied_ = false;  // an address was refused ...
  bool tried_ = false;   // ... and another one was not
};

}  // namespace photovec::fetch
