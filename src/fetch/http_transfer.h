// SPDX-License-Identifier: MIT
#pragma once

#include <curl/curl.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "fetch/fetcher.h"
#include "fetch/http_url.h"
#include "fetch/options.h"
#include "fetch/url_policy.h"

namespace photovec::fetch {

/// Whether a redirect may be followed: the target must be on the allow list, and https never goes back to
/// http.
bool RedirectAllowed(const HttpUrl& from, const HttpUrl& to, const UrlPolicy& policy);

/// One reference on its way, over all of its redirects: the state, libcurl's callbacks, and what its outcomes
/// mean. Knows nothing of queues and threads; used by one thread at a time.
class HttpTransfer {
 public:
  /// What one hop led to: a result for the client, or (neither) another hop that is ready to start.
  using Outcome = std::optional<Result<Bytes>>;

  /// Checks the URL and its host; touches no network. \param options, policy must outlive the transfer.
  /// Errors: as HttpFetcher; `request` is then unchanged.
  static Result<std::unique_ptr<HttpTransfer>> Create(FetchRequest& request, FetchCallback& done,
                                                      const FetchOptions& options, const UrlPolicy& policy);
  HttpTransfer(const HttpTransfer&) = delete;
  HttpTransfer& operator=(const HttpTransfer&) = delete;

  /// Readies the easy handle for the current hop; then add it to a multi handle. \param headers sent as they
  /// are. Errors: kUnavailable.
  Status Prepare(curl_slist* headers);
  CURL* easy() const { return easy_.get(); }

  /// The transfer of this hop ended with `code`; the easy handle is out of the multi handle.
  Outcome HopDone(CURLcode code);

  /// An error when the request was cancelled, its deadline passed, or the total time is used up.
  Status StillRunning() const;

  /// Hands the result over; the last thing to do with a transfer.
  void Finish(Result<Bytes> result);

  std::string Origin() const { return url_.Origin(); }

 private:
  struct Free {
    void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
  };
  HttpTransfer(HttpUrl url, const FetchOptions& options, const UrlPolicy& policy)
      : options_(options), policy_(policy), url_(std::move(url)) {}

  static size_t OnBody(char* data, size_t size, size_t count, void* self);
  static curl_socket_t OnOpenSocket(void* self, curlsocktype purpose, curl_sockaddr* address);
  size_t Receive(const char* data, size_t bytes);
  void BeginBody();
  Status BodyError(CURLcode code) const;
  Status ConnectError(CURLcode code) const;
  Outcome Redirect(const std::string& location);
  long HttpStatusCode() const;
  Status TooLarge() const;

  const FetchOptions& options_;
  const UrlPolicy& policy_;
  FetchRequest request_;
  FetchCallback done_;

  HttpUrl url_;
  int redirects_ = 0;
  std::optional<TimePoint>
      give_up_at_;  // set when the first hop starts: waiting in line is not the origin's fault

  // Of the current hop.
  std::unique_ptr<CURL, Free> easy_;
  std::string body_;
  bool body_begun_ = false;
  bool is_image_ = false;  ///< the status is 200, so the body is what was asked for
  bool encoded_ = false;
  bool too_large_ = false;
  bool denied_ = false;  ///< an address was refused ...
  bool tried_ = false;   ///< ... and another one was not
  size_t discarded_bytes_ = 0;
};

}  // namespace photovec::fetch
