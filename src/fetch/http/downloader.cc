// SPDX-License-Identifier: MIT
#include "fetch/http/downloader.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <optional>
#include <span>
#include <utility>

#include "base/log.h"
#include "base/thread_pool.h"
#include "fetch/http/retry.h"

namespace photovec::fetch {
namespace {

constexpr int kIdleMs = 60'000;
// CancelFlag cannot wake anybody, so the loop looks at it this often while there is something to cancel.
constexpr int kTickMs = 10;

}  // namespace

/// The way in for one source.
class Downloader::SourceFetcher final : public Fetcher {
 public:
  SourceFetcher(Downloader& downloader, std::unique_ptr<Source> source)
      : downloader_(downloader), source_(std::move(source)) {}

  void Fetch(FetchRequest request, FetchCallback done) override {
    Result<std::unique_ptr<SourceObject>> object = source_->Open(request.reference);
    Waiter waiter{std::move(request), std::move(done)};
    if (!object.ok()) return waiter.Answer(object.status());
    Inbox::Order order{source_.get(), std::move(*object), std::move(waiter)};
    const Status queued = downloader_.inbox_.Add(order);
    if (!queued.ok()) return order.waiter.Answer(queued);
    downloader_.loop_->Wake();
  }
  const Source& source() const { return *source_; }

 private:
  Downloader& downloader_;
  const std::unique_ptr<Source> source_;
};

Result<std::unique_ptr<Downloader>> Downloader::Create(const FetchOptions& options, UrlPolicy policy,
                                                       FetchObserver* observer) {
  std::unique_ptr<Downloader> downloader(new Downloader(options, std::move(policy), observer));
  RETURN_IF_ERROR(downloader->Start());
  return downloader;
}

Downloader::Downloader(const FetchOptions& options, UrlPolicy policy, FetchObserver* observer)
    : options_(options),
      policy_(std::move(policy)),
      observer_(observer),
      handles_(static_cast<size_t>(options.max_transfers)),
      context_{options_, policy_, handles_},
      inbox_(options.max_queued),
      random_(std::random_device{}()),
      line_(options.max_transfers, options.max_transfers_per_host) {}

Status Downloader::Start() {
  ASSIGN_OR_RETURN(loop_, CurlLoop::Create(options_.max_transfers, [this](CURL* easy, CURLcode code) {
                     OnTransferDone(easy, code);
                   }));
  thread_ = std::thread([this] { Run(); });
  return Status::Ok();
}

Downloader::~Downloader() {
  if (!thread_.joinable()) return;
  inbox_.Close();
  loop_->Wake();
  thread_.join();
  // Whoever still waits for a token is answered by the end of its source, and writes here what it got.
  sources_.clear();
}

void Downloader::AddSource(std::unique_ptr<Source> source) {
  sources_.push_back(std::make_unique<SourceFetcher>(*this, std::move(source)));
}

Fetcher* Downloader::FetcherOf(std::string_view source) const {
  for (const auto& fetcher : sources_) {
    if (fetcher->source().name() == source) return fetcher.get();
  }
  return nullptr;
}

void Downloader::Run() {
  SetThreadName("fetch-http");
  while (ReadInbox()) {
    if (Clock::now() >= next_tick_) Tick();
    StartReady();
    loop_->RunOnce(downloads_.empty() ? kIdleMs : kTickMs);
  }
}

// False, with everybody answered, when it is time to stop.
bool Downloader::ReadInbox() {
  Inbox::Contents inbox = inbox_.Take();
  if (inbox.closed) {
    const Status status(Code::kCancelled, "the server is shutting down");
    while (!downloads_.empty()) Fail(DownloadPtr(downloads_.begin()->second), status);
    for (const Inbox::Order& order : inbox.orders) order.waiter.Answer(status);
    return false;
  }
  for (Inbox::Order& order : inbox.orders) AddOrJoin(std::move(order));
  for (Inbox::SignedHeaders& headers : inbox.headers) {
    const auto it = downloads_.find(headers.download);
    if (it != downloads_.end()) OnSigned(DownloadPtr(it->second), std::move(headers.headers));
  }
  return true;
}

void Downloader::AddOrJoin(Inbox::Order order) {
  std::string key = std::string(order.source->name()) + ' ' + order.waiter.request.reference;
  const auto it = by_key_.find(key);
  if (it != by_key_.end()) {
    it->second->waiters.push_back(std::move(order.waiter));
    if (observer_ != nullptr) observer_->OnShared(order.source->name());
    inbox_.OnLeftQueue();
    return;
  }
  auto download = std::make_shared<Download>();
  download->id = ++last_id_;
  download->source = order.source;
  download->object = std::move(order.object);
  download->group = line_.GroupOf(download->object->group());
  download->waiters.push_back(std::move(order.waiter));
  by_key_[key] = download.get();
  download->key = std::move(key);
  downloads_[download->id] = download;
  line_.AddLast(std::move(download));
}

void Downloader::StartReady() {
  // Again, because an attempt that cannot even start makes room for another.
  for (auto ready = line_.TakeReady(); !ready.empty(); ready = line_.TakeReady()) {
    for (const DownloadPtr& download : ready) StartAttempt(download);
  }
}

void Downloader::StartAttempt(const DownloadPtr& download) {
  LeaveQueue(*download);
  if (!download->give_up_at) download->give_up_at = Clock::now() + options_.total_timeout;
  download->state = Download::State::kSigning;
  ++download->attempts;
  download->hedged = false;
  // Usually signed at once, on this thread; the way through the inbox would cost two system calls. `now` says
  // whether the headers can still be had by that short way.
  struct Now {
    std::mutex mutex;
    bool over = false;
    std::optional<SourceObject::Headers> headers;
  };
  const auto now = std::make_shared<Now>();
  const std::shared_ptr<SourceObject> object = download->object;  // lives on while a token is asked for
  object->Sign([this, now, object, id = download->id](SourceObject::Headers headers) {
    {
      std::scoped_lock lock(now->mutex);
      if (!now->over) {
        now->headers = std::move(headers);
        return;
      }
    }
    inbox_.Add(Inbox::SignedHeaders{id, std::move(headers)});
    loop_->Wake();
  });
  std::optional<SourceObject::Headers> headers;
  {
    std::scoped_lock lock(now->mutex);
    now->over = true;
    headers = std::move(now->headers);
  }
  if (headers) OnSigned(download, std::move(*headers));
}

void Downloader::OnSigned(const DownloadPtr& download, SourceObject::Headers headers) {
  if (download->state != Download::State::kSigning) return;
  if (!headers.ok()) return Fail(download, headers.status());
  download->headers = std::move(*headers);
  download->state = Download::State::kRunning;
  if (Send(*download, download->first)) return;
  Fail(download, {Code::kUnavailable, "libcurl refused the transfer: out of memory"});
}

/// \param place `first` or `hedge` of the download; null when it returns false.
bool Downloader::Send(Download& download, std::unique_ptr<Transfer>& place) {
  place = std::make_unique<Transfer>(context_, download.source->trust(), download.max_bytes(), download.id);
  const Status begun = place->Begin(download.object->url(), download.headers);
  if (!begun.ok()) log::warn("fetch: {}: {}", download.object->group(), begun.message());
  if (begun.ok() && loop_->Add(place->easy())) return true;
  place.reset();
  return false;
}

void Downloader::OnTransferDone(CURL* easy, CURLcode code) {
  Transfer* done = Transfer::Of(easy);
  loop_->Remove(easy);
  const DownloadPtr download = downloads_.at(done->owner());
  const Transfer::Outcome outcome = done->Finish(code);
  if (outcome == Transfer::Outcome::kRedirect) {
    if (loop_->Add(done->easy())) return;
    return Fail(download, {Code::kUnavailable, "libcurl refused the next hop: out of memory"});
  }
  const bool hedge = done == download->hedge.get();
  const std::unique_ptr<Transfer> transfer = std::move(hedge ? download->hedge : download->first);
  if (outcome == Transfer::Outcome::kBody) return OnBody(download, *transfer, hedge);
  if (outcome == Transfer::Outcome::kRefused) return OnRefused(download, *transfer, hedge);
  OnFailed(download, *transfer, hedge);
}

void Downloader::OnBody(const DownloadPtr& download, Transfer& transfer, bool hedge) {
  std::string text = transfer.TakeBody();
  const Status checked =
      download->CheckBody(transfer, std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
  Report(*download, transfer, hedge, checked.code());
  if (checked.code() == Code::kChecksumMismatch && !std::exchange(download->rechecked, true)) {
    return RetryOrFail(download, checked, {}, false);
  }
  if (!checked.ok()) return Fail(download, checked);
  download->group->OnSuccess(Clock::now() - transfer.started_at(), download->attempts > 1);
  const Bytes bytes = Bytes::Own(std::move(text));
  Remove(*download);
  for (const Waiter& waiter : download->waiters) {
    if (static_cast<int64_t>(bytes.size()) <= waiter.request.max_bytes) {
      waiter.Answer(bytes);
    } else {
      waiter.Answer(Status(Code::kBodyTooLarge,
                           "the image has more than " + std::to_string(waiter.request.max_bytes) + " bytes"));
    }
  }
}

void Downloader::OnRefused(const DownloadPtr& download, Transfer& transfer, bool hedge) {
  const Refusal refusal = download->object->OnRefused(transfer);
  Report(*download, transfer, hedge, refusal.status.code());
  if (refusal.renew_credentials && !std::exchange(download->renewed, true)) {
    download->object->RenewCredentials();
    return StartOver(download);
  }
  const long status = transfer.status();
  const bool throttled = status == 429 || status == 503;
  if (throttled) download->group->OnThrottled();
  if (!refusal.retry) return Fail(download, refusal.status);
  Clock::duration pause{};
  if (const auto header = transfer.Header("Retry-After")) {
    if (const auto asked = ParseRetryAfter(*header, std::chrono::system_clock::now())) pause = *asked;
  }
  RetryOrFail(download, refusal.status, pause, throttled);
}

void Downloader::OnFailed(const DownloadPtr& download, Transfer& transfer, bool hedge) {
  const Status& failure = transfer.failure();
  Report(*download, transfer, hedge, failure.code());
  // A body that broke off was of some version too.
  if (transfer.status() == 200 && download->version.empty()) {
    download->version = download->object->Version(transfer);
  }
  if (failure.code() == Code::kBodyTooLarge) return OnTooLarge(download, failure, transfer.max_bytes());
  if (!transfer.worth_retrying()) return Fail(download, failure);
  RetryOrFail(download, failure, {}, false);
}

// Somebody may have joined who takes more than was asked for: for them it starts anew.
void Downloader::OnTooLarge(const DownloadPtr& download, const Status& status, int64_t limit) {
  if (download->max_bytes() <= limit) return Fail(download, status);
  const auto refused =
      download->TakeWaiters([&](const Waiter& waiter) { return waiter.request.max_bytes <= limit; });
  StartOver(download);
  for (const Waiter& waiter : refused) waiter.Answer(status);
}

void Downloader::RetryOrFail(const DownloadPtr& download, Status why, Clock::duration least_pause,
                             bool throttled) {
  if (download->first != nullptr || download->hedge != nullptr) return;  // the other one may still make it
  const Clock::duration base = throttled ? options_.throttled_backoff : options_.backoff;
  const TimePoint resume =
      Clock::now() + std::max(least_pause, Backoff(download->attempts + 1, base, random_));
  const TimePoint latest = std::min(*download->give_up_at, download->latest_deadline());
  if (download->attempts >= options_.max_attempts || resume >= latest || !download->group->budget.Take()) {
    if (download->attempts > 1) {
      why = Status(why.code(), why.message() + ", " + std::to_string(download->attempts) + " times");
    }
    return Fail(download, why);
  }
  if (observer_ != nullptr) observer_->OnRetry(download->source->name(), why.code());
  download->resume_at = resume;
  download->state = Download::State::kPausing;
  line_.OnInactive(*download);
}

// With an attempt that does not count: it was not the origin's fault.
void Downloader::StartOver(const DownloadPtr& download) {
  --download->attempts;
  Abort(download->first);
  Abort(download->hedge);
  line_.OnInactive(*download);
  WaitAgain(download);
}

// Before those that came later.
void Downloader::WaitAgain(const DownloadPtr& download) {
  download->state = Download::State::kWaiting;
  line_.AddFirst(download);
}

void Downloader::Fail(const DownloadPtr& download, const Status& status) {
  Remove(*download);
  for (const Waiter& waiter : download->waiters) waiter.Answer(status);
}

// The download is over; its waiters are still to be answered.
void Downloader::Remove(Download& download) {
  Abort(download.first);
  Abort(download.hedge);
  if (download.active()) line_.OnInactive(download);
  if (download.state == Download::State::kWaiting) line_.Remove(download);
  LeaveQueue(download);
  by_key_.erase(download.key);
  downloads_.erase(download.id);
}

void Downloader::LeaveQueue(Download& download) {
  if (std::exchange(download.queued, false)) inbox_.OnLeftQueue();
}

void Downloader::Abort(std::unique_ptr<Transfer>& transfer) {
  if (transfer == nullptr) return;
  if (transfer->easy() != nullptr) loop_->Remove(transfer->easy());
  transfer.reset();
}

void Downloader::Report(const Download& download, const Transfer& transfer, bool hedge, Code code) const {
  if (observer_ == nullptr) return;
  AttemptReport report;
  report.source = download.source->name();
  report.code = code;
  report.number = download.attempts;
  report.hedge = hedge;
  report.bytes = transfer.received_bytes();
  report.took = Clock::now() - transfer.started_at();
  observer_->OnAttempt(report);
}

void Downloader::Tick() {
  const TimePoint now = Clock::now();
  next_tick_ = now + std::chrono::milliseconds(kTickMs);
  std::vector<DownloadPtr> downloads;
  downloads.reserve(downloads_.size());
  for (const auto& [id, download] : downloads_) downloads.push_back(download);
  for (const DownloadPtr& download : downloads) TickOne(download, now);
  downloads.clear();  // those that ended let go of their groups
  line_.ForgetGroups();
}

void Downloader::TickOne(const DownloadPtr& download, TimePoint now) {
  const auto unwanted =
      download->TakeWaiters([](const Waiter& waiter) { return !StillWanted(waiter.request).ok(); });
  const bool over = download->waiters.empty();
  // A place in line is given back before they hear of it: who is told to go may ask anew at once.
  if (over) Remove(*download);
  for (const Waiter& waiter : unwanted) waiter.Answer(StillWanted(waiter.request));
  if (over) return;
  if (download->give_up_at && now >= *download->give_up_at) {
    const std::string ms = std::to_string(options_.total_timeout.count());
    return Fail(download, {Code::kSourceTimeout, "the origin took longer than " + ms + " ms"});
  }
  if (download->state == Download::State::kPausing && now >= download->resume_at) WaitAgain(download);
  if (download->state == Download::State::kRunning) MaybeHedge(*download, now);
}

void Downloader::MaybeHedge(Download& download, TimePoint now) {
  if (!options_.hedge || download.source->trust() != Trust::kOperator) return;
  if (download.hedged || download.first == nullptr || line_.full()) return;
  const auto after = download.group->HedgeAfter();
  if (!after || now - download.first->started_at() < *after || !download.group->TakeHedge()) return;
  download.hedged = true;
  Send(download, download.hedge);  // when it cannot be had, the first goes on alone
}

}  // namespace photovec::fetch
