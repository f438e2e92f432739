// SPDX-License-Identifier: MIT
#pragma once

#include <curl/curl.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/deadline.h"
#include "base/result.h"

namespace photovec::fetch {

/// Starts libcurl, once per process. Errors: kUnavailable. Thread-safe.
Status StartCurl();

/// A list of request headers, "Name: value" each. Move-only.
class HeaderList {
 public:
  HeaderList() = default;
  explicit HeaderList(const std::vector<std::string>& headers) {
    for (const std::string& header : headers) Add(header);
  }
  void Add(const std::string& header);
  bool ok() const { return ok_; }  ///< false when memory ran out
  curl_slist* get() const { return list_.get(); }

 private:
  struct Free {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  };
  std::unique_ptr<curl_slist, Free> list_;
  bool ok_ = true;
};

/// Easy handles to use again: making one costs as much as a small download. Used by one thread.
class EasyPool {
 public:
  struct Free {
    void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
  };
  using Handle = std::unique_ptr<CURL, Free>;

  explicit EasyPool(size_t most) : most_(most) {}
  /// All options are at their defaults. Null without memory.
  Handle Take();
  void Give(Handle handle);

 private:
  const size_t most_;
  std::vector<Handle> free_;
};

/// libcurl's multi interface over epoll: work is done for the sockets that are ready, not for all. Used by
/// one thread, but for Wake().
class CurlLoop {
 public:
  using OnDone = std::function<void(CURL* easy, CURLcode code)>;

  /// \param max_connections kept alive when idle. Errors: kUnavailable.
  static Result<std::unique_ptr<CurlLoop>> Create(long max_connections, OnDone on_done);
  ~CurlLoop();
  CurlLoop(const CurlLoop&) = delete;
  CurlLoop& operator=(const CurlLoop&) = delete;

  /// False when libcurl refuses. The handle stays the caller's.
  bool Add(CURL* easy);
  /// Of a handle that is done or to be given up. Not from a callback of libcurl.
  void Remove(CURL* easy);
  /// Waits up to max_wait_ms for sockets, timers or Wake(), then does what is to be done. Calls on_done for
  /// each transfer that ended; it may Add and Remove.
  void RunOnce(int max_wait_ms);
  /// Any thread: RunOnce returns soon.
  void Wake();

 private:
  explicit CurlLoop(OnDone on_done) : on_done_(std::move(on_done)) {}
  Status Open(long max_connections);
  static int OnSocket(CURL* easy, curl_socket_t socket, int what, void* self, void* known);
  static int OnTimer(CURLM* multi, long timeout_ms, void* self);

  const OnDone on_done_;
  CURLM* multi_ = nullptr;
  int epoll_ = -1;
  int wake_ = -1;
  std::optional<TimePoint> timer_;
};

}  // namespace photovec::fetch
