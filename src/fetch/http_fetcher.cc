// SPDX-License-Identifier: MIT
#include "fetch/http_fetcher.h"

#include <curl/curl.h>

#include <algorithm>
#include <list>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>

#include "base/thread_pool.h"
#include "fetch/http_transfer.h"
#include "fetch/reference.h"

namespace photovec::fetch {
namespace {

// CancelFlag cannot wake anybody, so the loop looks at it this often while there is something to cancel.
constexpr int kTickMs = 10;
constexpr int kIdleMs = 60'000;

using TransferPtr = std::unique_ptr<HttpTransfer>;

class HttpFetcherImpl final : public HttpFetcher {
 public:
  HttpFetcherImpl(const FetchOptions& options, UrlPolicy policy)
      : options_(options), policy_(std::move(policy)) {}
  ~HttpFetcherImpl() override;

  Status Start();
  void Fetch(FetchRequest request, FetchCallback done) override;

 private:
  Status Enqueue(TransferPtr& transfer);
  void Run();
  /// Takes what came in; false when it is time to stop.
  bool TakeIncoming();
  void StartWaiting();
  void CollectDone();
  void DropDead();
  void CancelAll();
  void HopDone(CURL* easy, CURLcode code);
  /// Takes a transfer out of libcurl's hands.
  TransferPtr Detach(std::list<TransferPtr>::iterator it);

  const FetchOptions options_;
  const UrlPolicy policy_;
  CURLM* multi_ = nullptr;
  curl_slist* headers_ = nullptr;
  std::thread thread_;

  std::mutex mutex_;
  std::list<TransferPtr> incoming_;  // guarded by mutex_
  size_t waiting_count_ = 0;         // guarded by mutex_: incoming_ and waiting_ together
  bool stopping_ = false;            // guarded by mutex_

  // Of the thread alone.
  std::list<TransferPtr> waiting_;
  std::list<TransferPtr> active_;
  std::unordered_map<std::string, int> active_per_origin_;
};

HttpFetcherImpl::~HttpFetcherImpl() {
  if (thread_.joinable()) {
    {
      std::scoped_lock lock(mutex_);
      stopping_ = true;
    }
    curl_multi_wakeup(multi_);
    thread_.join();
  }
  if (multi_ != nullptr) curl_multi_cleanup(multi_);
  curl_slist_free_all(headers_);
}

Status HttpFetcherImpl::Start() {
  static const CURLcode global = curl_global_init(CURL_GLOBAL_DEFAULT);
  multi_ = global == CURLE_OK ? curl_multi_init() : nullptr;
  headers_ = curl_slist_append(nullptr, "Accept-Encoding: identity");
  if (multi_ == nullptr || headers_ == nullptr) return {Code::kUnavailable, "libcurl cannot start"};
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(options_.max_transfers));
  thread_ = std::thread([this] { Run(); });
  return Status::Ok();
}

void HttpFetcherImpl::Fetch(FetchRequest request, FetchCallback done) {
  Result<TransferPtr> created = HttpTransfer::Create(request, done, options_, policy_);
  if (!created.ok()) {
    done(created.status().WithContext(Shown(request.reference)));
    return;
  }
  TransferPtr transfer = *std::move(created);
  const Status queued = Enqueue(transfer);
  if (!queued.ok()) return transfer->Finish(queued);
  curl_multi_wakeup(multi_);
}

// Takes the transfer when it returns OK.
Status HttpFetcherImpl::Enqueue(TransferPtr& transfer) {
  std::scoped_lock lock(mutex_);
  if (stopping_) return {Code::kCancelled, "the server is shutting down"};
  if (waiting_count_ >= options_.max_queued) {
    return {Code::kOverloaded, "too many images wait to be downloaded; try again later"};
  }
  ++waiting_count_;
  incoming_.push_back(std::move(transfer));
  return Status::Ok();
}

void HttpFetcherImpl::Run() {
  SetThreadName("fetch-http");
  while (TakeIncoming()) {
    DropDead();
    StartWaiting();
    int running = 0;
    curl_multi_perform(multi_, &running);
    CollectDone();
    StartWaiting();
    const bool busy = !active_.empty() || !waiting_.empty();
    curl_multi_poll(multi_, nullptr, 0, busy ? kTickMs : kIdleMs, nullptr);
  }
  CancelAll();
}

bool HttpFetcherImpl::TakeIncoming() {
  std::scoped_lock lock(mutex_);
  waiting_.splice(waiting_.end(), incoming_);
  return !stopping_;
}

void HttpFetcherImpl::StartWaiting() {
  for (auto it = waiting_.begin();
       it != waiting_.end() && active_.size() < static_cast<size_t>(options_.max_transfers);) {
    int& at_origin = active_per_origin_[(*it)->Origin()];
    if (at_origin >= options_.max_transfers_per_host) {
      ++it;
      continue;
    }
    const auto started = it++;
    active_.splice(active_.end(), waiting_, started);
    ++at_origin;
    {
      std::scoped_lock lock(mutex_);
      --waiting_count_;
    }
    Status status = (*started)->Prepare(headers_);
    if (status.ok() && curl_multi_add_handle(multi_, (*started)->easy()) != CURLM_OK) {
      status = Status(Code::kUnavailable, "libcurl refused the transfer");
    }
    if (!status.ok()) Detach(started)->Finish(status);
  }
}

TransferPtr HttpFetcherImpl::Detach(std::list<TransferPtr>::iterator it) {
  TransferPtr transfer = std::move(*it);
  active_.erase(it);
  if (transfer->easy() != nullptr) curl_multi_remove_handle(multi_, transfer->easy());
  const auto count = active_per_origin_.find(transfer->Origin());
  if (--count->second == 0) active_per_origin_.erase(count);
  return transfer;
}

void HttpFetcherImpl::CollectDone() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg == CURLMSG_DONE) HopDone(message->easy_handle, message->data.result);
  }
}

void HttpFetcherImpl::HopDone(CURL* easy, CURLcode code) {
  const auto it = std::find_if(active_.begin(), active_.end(),
                               [&](const TransferPtr& transfer) { return transfer->easy() == easy; });
  TransferPtr transfer = Detach(it);
  HttpTransfer::Outcome outcome = transfer->HopDone(code);
  if (outcome) {
    transfer->Finish(std::move(*outcome));
    return;
  }
  // The next hop goes first, but under the caps of the host that it leads to.
  waiting_.push_front(std::move(transfer));
  std::scoped_lock lock(mutex_);
  ++waiting_count_;
}

void HttpFetcherImpl::DropDead() {
  for (auto it = active_.begin(); it != active_.end();) {
    const auto current = it++;
    const Status status = (*current)->StillRunning();
    if (!status.ok()) Detach(current)->Finish(status);
  }
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    const Status status = (*it)->StillRunning();
    if (status.ok()) {
      ++it;
      continue;
    }
    const TransferPtr transfer = std::move(*it);
    it = waiting_.erase(it);
    {
      std::scoped_lock lock(mutex_);
      --waiting_count_;
    }
    transfer->Finish(status);
  }
}

void HttpFetcherImpl::CancelAll() {
  const Status status(Code::kCancelled, "the server is shutting down");
  while (!active_.empty()) Detach(active_.begin())->Finish(status);
  for (const TransferPtr& transfer : waiting_) transfer->Finish(status);
  waiting_.clear();
}

}  // namespace

Result<std::unique_ptr<Fetcher>> HttpFetcher::Create(const FetchOptions& options, UrlPolicy policy) {
  auto fetcher = std::make_unique<HttpFetcherImpl>(options, std::move(policy));
  RETURN_IF_ERROR(fetcher->Start());
  return std::unique_ptr<Fetcher>(std::move(fetcher));
}

}  // namespace photovec::fetch
