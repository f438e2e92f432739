// SPDX-License-Identifier: MIT
#include "fetch/http/curl_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

namespace photovec::fetch {
namespace {

constexpr int kEventsAtOnce = 64;

uint32_t Interest(int what) {
  return (what == CURL_POLL_IN || what == CURL_POLL_INOUT ? EPOLLIN : 0U) |
         (what == CURL_POLL_OUT || what == CURL_POLL_INOUT ? EPOLLOUT : 0U);
}

int ToCurl(uint32_t events) {
  return ((events & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0) | ((events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
         ((events & (EPOLLERR | EPOLLHUP)) != 0 ? CURL_CSELECT_ERR : 0);
}

}  // namespace

Status StartCurl() {
  static const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
  return code == CURLE_OK ? Status::Ok() : Status(Code::kUnavailable, "libcurl cannot start");
}

void HeaderList::Add(const std::string& header) {
  curl_slist* longer = curl_slist_append(list_.get(), header.c_str());
  ok_ = ok_ && longer != nullptr;
  if (longer == nullptr) return;
  list_.release();  // NOLINT(bugprone-unused-return-value): `longer` begins with it
  list_.reset(longer);
}

EasyPool::Handle EasyPool::Take() {
  if (free_.empty()) return Handle(curl_easy_init());
  Handle handle = std::move(free_.back());
  free_.pop_back();
  return handle;
}

void EasyPool::Give(Handle handle) {
  if (handle == nullptr || free_.size() >= most_) return;
  curl_easy_reset(handle.get());
  free_.push_back(std::move(handle));
}

Result<std::unique_ptr<CurlLoop>> CurlLoop::Create(long max_connections, OnDone on_done) {
  RETURN_IF_ERROR(StartCurl());
  std::unique_ptr<CurlLoop> loop(new CurlLoop(std::move(on_done)));
  RETURN_IF_ERROR(loop->Open(max_connections));
  return loop;
}

Status CurlLoop::Open(long max_connections) {
  multi_ = curl_multi_init();
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (multi_ == nullptr || epoll_ < 0 || wake_ < 0) {
    return {Code::kUnavailable, "libcurl cannot start: no memory or no descriptors left"};
  }
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = wake_;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event) != 0)
    return {Code::kUnavailable, "epoll refused an eventfd"};
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &CurlLoop::OnSocket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &CurlLoop::OnTimer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, max_connections);
  return Status::Ok();
}

CurlLoop::~CurlLoop() {
  if (multi_ != nullptr) curl_multi_cleanup(multi_);  // tells OnSocket of the connections that it closes
  if (wake_ >= 0) close(wake_);
  if (epoll_ >= 0) close(epoll_);
}

int CurlLoop::OnSocket(CURL* /*easy*/, curl_socket_t socket, int what, void* self, void* known) {
  auto* loop = static_cast<CurlLoop*>(self);
  if (what == CURL_POLL_REMOVE) {
    if (known != nullptr) epoll_ctl(loop->epoll_, EPOLL_CTL_DEL, socket, nullptr);
    return 0;
  }
  epoll_event event{};
  event.events = Interest(what);
  event.data.fd = socket;
  const int done = epoll_ctl(loop->epoll_, known != nullptr ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, socket, &event);
  if (known == nullptr) curl_multi_assign(loop->multi_, socket, loop);  // any pointer: it is in epoll
  return done == 0 ? 0 : -1;
}

int CurlLoop::OnTimer(CURLM* /*multi*/, long timeout_ms, void* self) {
  auto& timer = static_cast<CurlLoop*>(self)->timer_;
  timer.reset();
  if (timeout_ms >= 0) timer = Clock::now() + std::chrono::milliseconds(timeout_ms);
  return 0;
}

bool CurlLoop::Add(CURL* easy) { return curl_multi_add_handle(multi_, easy) == CURLM_OK; }

void CurlLoop::Remove(CURL* easy) { curl_multi_remove_handle(multi_, easy); }

void CurlLoop::RunOnce(int max_wait_ms) {
  if (timer_) {
    const int64_t until_us = std::max<int64_t>(MicrosBetween(Clock::now(), *timer_), 0);
    max_wait_ms = static_cast<int>(std::min<int64_t>(max_wait_ms, (until_us + 999) / 1000));
  }
  std::array<epoll_event, kEventsAtOnce> events{};
  const int count = epoll_wait(epoll_, events.data(), kEventsAtOnce, max_wait_ms);
  int running = 0;
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<size_t>(i)];
    if (event.data.fd == wake_) {
      uint64_t rings = 0;
      [[maybe_unused]] const ssize_t got = read(wake_, &rings, sizeof rings);  // nothing there: woken twice
    } else {
      curl_multi_socket_action(multi_, event.data.fd, ToCurl(event.events), &running);
    }
  }
  if (timer_ && Clock::now() >= *timer_) {
    timer_.reset();  // libcurl sets the next one when there is one
    curl_multi_socket_action(multi_, CURL_SOCKET_TIMEOUT, 0, &running);
  }
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg == CURLMSG_DONE) on_done_(message->easy_handle, message->data.result);
  }
}

void CurlLoop::Wake() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t put = write(wake_, &one, sizeof one);  // full: it is awake already
}

}  // namespace photovec::fetch
