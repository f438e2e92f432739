// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/deadline.h"
#include "base/result.h"
#include "fetch/fetcher.h"
#include "fetch/http/group.h"
#include "fetch/http/transfer.h"
#include "fetch/source.h"

namespace photovec::fetch {

/// Somebody who wants a reference.
struct Waiter {
  FetchRequest request;
  FetchCallback done;

  /// Hands over the result; before an error's message comes the reference. Once.
  void Answer(Result<Bytes> result) const;
};

/// One reference that is being fetched, over all of its attempts, and everybody who waits for it. State only:
/// Downloader moves it on. Used by the fetch thread alone.
struct Download {
  enum class State {
    kWaiting,  ///< in the waiting line
    kSigning,  ///< waits for headers; active, as kRunning is
    kRunning,  ///< at least one of `first` and `hedge` is being transferred
    kPausing,  ///< until resume_at
  };

  uint64_t id = 0;
  std::string key;  ///< source and reference: who asks for the same joins
  const Source* source = nullptr;
  std::shared_ptr<SourceObject> object;
  std::shared_ptr<Group> group;
  std::vector<Waiter> waiters;
  State state = State::kWaiting;
  bool queued = true;  ///< counts against max_queued: it was never started

  int attempts = 0;  ///< started
  bool renewed = false;
  bool rechecked = false;  ///< fetched again because a checksum did not fit
  std::string version;     ///< of the object, as the first reply that told it
  std::vector<std::string> headers;
  std::unique_ptr<Transfer> first;
  std::unique_ptr<Transfer> hedge;
  bool hedged = false;  ///< this attempt had its hedge
  /// Set when it first starts: waiting in line is not the origin's fault.
  std::optional<TimePoint> give_up_at;
  TimePoint resume_at{};

  bool active() const { return state == State::kSigning || state == State::kRunning; }
  /// The most that anybody here takes.
  int64_t max_bytes() const;
  /// When the last of them gives up.
  TimePoint latest_deadline() const;
  /// Takes out those of whom `leaves` is true; both parts keep their order.
  std::vector<Waiter> TakeWaiters(const std::function<bool(const Waiter&)>& leaves);

  /// Whether a body is what the source promised, and of the version that earlier attempts saw.
  /// Errors: kSourceChanged, kChecksumMismatch.
  Status CheckBody(const Reply& reply, std::span<const uint8_t> body);
};

/// Shared, because a callback may end a download that its caller still looks at.
using DownloadPtr = std::shared_ptr<Download>;

}  // namespace photovec::fetch
