// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/deadline.h"
#include "base/result.h"
#include "fetch/fetcher.h"
#include "fetch/http/curl_loop.h"
#include "fetch/http/download.h"
#include "fetch/http/inbox.h"
#include "fetch/http/transfer.h"
#include "fetch/http/url_policy.h"
#include "fetch/http/waiting_line.h"
#include "fetch/observer.h"
#include "fetch/options.h"
#include "fetch/source.h"

namespace photovec::fetch {

/// Downloads from every source that is reached over HTTP, all on one thread of its own.
///
/// Downloads wait in line (first come, first served; buckets and hosts that are at their cap are passed
/// over). What fails in passing (408, 429, 5xx, no connection, a body that broke off) is tried again after a
/// pause, while the budget of its group and its time last. An attempt to a store that is slower than the live
/// p95 gets a second one beside it. References that are being downloaded are not fetched twice: whoever asks
/// joins.
///
/// For Trust::kPublic every request (the URL and up to max_redirects redirects) passes the same checks:
/// scheme, no credentials, host allow-list, and the address at the moment of connecting. https never goes
/// back to http. Environment proxies, .netrc and cookies are not used; compressed content is refused.
///
/// Errors of fetches: kSourceNotAllowed; kInvalidRequest (malformed reference, credentials in it); kNotFound;
/// kSourceFailed (a status, which the message names; no DNS answer; refused or broken connections; a body
/// shorter than promised); kSourceTimeout; kTooManyRedirects; kBodyTooLarge; kChecksumMismatch;
/// kSourceChanged (attempts saw different versions); kCancelled; kDeadlineExceeded; kOverloaded. Cancellation
/// is seen within 10 ms.
class Downloader {
 public:
  /// \param observer may be null; else it outlives the downloader.
  /// Errors: kUnavailable when libcurl cannot start.
  static Result<std::unique_ptr<Downloader>> Create(const FetchOptions& options, UrlPolicy policy,
                                                    FetchObserver* observer);
  /// Ends what is being downloaded with kCancelled and joins. Not from a callback.
  ~Downloader();
  Downloader(const Downloader&) = delete;
  Downloader& operator=(const Downloader&) = delete;

  /// Before the first fetch, one source of a name. It becomes the downloader's.
  void AddSource(std::unique_ptr<Source> source);
  /// What public sources are judged by; for HttpSource. Lives as long as the downloader.
  const UrlPolicy& policy() const { return policy_; }
  /// Fetches from the source of that name; nullptr when there is none. Thread-safe; lives as long as the
  /// downloader.
  Fetcher* FetcherOf(std::string_view source) const;

 private:
  class SourceFetcher;

  Downloader(const FetchOptions& options, UrlPolicy policy, FetchObserver* observer);
  Status Start();

  // Of the fetch thread, as all below: the way in, and the start of an attempt.
  void Run();
  bool ReadInbox();
  void AddOrJoin(Inbox::Order order);
  void StartReady();
  void StartAttempt(const DownloadPtr& download);
  void OnSigned(const DownloadPtr& download, SourceObject::Headers headers);
  bool Send(Download& download, std::unique_ptr<Transfer>& place);

  // How an attempt ended, and what follows.
  void OnTransferDone(CURL* easy, CURLcode code);
  void OnBody(const DownloadPtr& download, Transfer& transfer, bool hedge);
  void OnRefused(const DownloadPtr& download, Transfer& transfer, bool hedge);
  void OnFailed(const DownloadPtr& download, Transfer& transfer, bool hedge);
  void OnTooLarge(const DownloadPtr& download, const Status& status, int64_t limit);
  void RetryOrFail(const DownloadPtr& download, Status why, Clock::duration least_pause, bool throttled);
  void StartOver(const DownloadPtr& download);
  void WaitAgain(const DownloadPtr& download);
  void Fail(const DownloadPtr& download, const Status& status);
  void Remove(Download& download);
  void LeaveQueue(Download& download);
  void Abort(std::unique_ptr<Transfer>& transfer);
  void Report(const Download& download, const Transfer& transfer, bool hedge, Code code) const;

  // What time brings.
  void Tick();
  void TickOne(const DownloadPtr& download, TimePoint now);
  void MaybeHedge(Download& download, TimePoint now);

  const FetchOptions options_;
  const UrlPolicy policy_;
  FetchObserver* const observer_;
  EasyPool handles_;
  const TransferContext context_;
  Inbox inbox_;
  std::vector<std::unique_ptr<SourceFetcher>> sources_;
  std::unique_ptr<CurlLoop> loop_;
  std::thread thread_;

  // Of the fetch thread alone.
  std::minstd_rand random_;
  uint64_t last_id_ = 0;
  std::unordered_map<uint64_t, DownloadPtr> downloads_;
  std::unordered_map<std::string, Download*> by_key_;
  WaitingLine line_;
  TimePoint next_tick_{};
};

}  // namespace photovec::fetch
