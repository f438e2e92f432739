// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/deadline.h"
#include "fetch/fetcher.h"
#include "fetch/http/group.h"
#include "fetch/http/transfer.h"
#include "fetch/source.h"

namespace photovec::fetch {

/// Somebody who wants a reference.
struct Waiter {
  FetchRequest request;
  FetchCallback done;
};

/// One reference on its way, over all of its attempts, and everybody who waits for it. State only; the engine
/// moves it on.
struct Flight {
  enum class State {
    kWaiting,  ///< for its turn under the caps
    kSigning,  ///< for headers; holds a place in its group, as kRunning does
    kRunning,  ///< at least one of `first` and `hedge` is on its way
    kPausing,  ///< until resume_at
  };

  uint64_t id = 0;
  std::string key;  ///< source and reference: who asks for the same joins
  const Source* source = nullptr;
  std::shared_ptr<SourceObject> object;
  Group* group = nullptr;
  std::vector<Waiter> waiters;
  State state = State::kWaiting;
  bool counted = true;  ///< among those that wait in line: it was never started

  int attempts = 0;  ///< started
  bool renewed = false;
  bool rechecked = false;  ///< fetched again because a checksum did not fit
  std::string version;     ///< of the object, as the first reply that told it
  std::vector<std::string> headers;
  std::unique_ptr<Transfer> first;
  std::unique_ptr<Transfer> hedge;
  bool hedged = false;  ///< this attempt had its hedge
  std::optional<TimePoint>
      give_up_at;  ///< set when it first starts: waiting in line is not the origin's fault
  TimePoint resume_at{};
  Status last_failure;

  /// The most that anybody here takes.
  int64_t max_bytes() const {
    int64_t most = 0;
    for (const Waiter& waiter : waiters) most = std::max(most, waiter.request.max_bytes);
    return most;
  }
  /// When the last of them gives up.
  TimePoint latest_deadline() const {
    TimePoint latest{};
    for (const Waiter& waiter : waiters) latest = std::max(latest, waiter.request.deadline.at());
    return latest;
  }
};

}  // namespace photovec::fetch
