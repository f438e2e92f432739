// SPDX-License-Identifier: MIT
#include "fetch/http/download.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/log.h"
#include "fetch/reference.h"

namespace photovec::fetch {

void Waiter::Answer(Result<Bytes> result) const {
  if (result.ok()) return done(std::move(result));
  const Status status = result.status().WithContext(Shown(request.reference));
  log::debug("fetch: {}", status.ToString());
  done(status);
}

int64_t Download::max_bytes() const {
  int64_t most = 0;
  for (const Waiter& waiter : waiters) most = std::max(most, waiter.request.max_bytes);
  return most;
}

TimePoint Download::latest_deadline() const {
  TimePoint latest{};
  for (const Waiter& waiter : waiters) latest = std::max(latest, waiter.request.deadline.at());
  return latest;
}

std::vector<Waiter> Download::TakeWaiters(const std::function<bool(const Waiter&)>& leaves) {
  const auto out = std::stable_partition(waiters.begin(), waiters.end(),
                                         [&](const Waiter& waiter) { return !leaves(waiter); });
  std::vector<Waiter> taken(std::make_move_iterator(out), std::make_move_iterator(waiters.end()));
  waiters.erase(out, waiters.end());
  return taken;
}

Status Download::CheckBody(const Reply& reply, std::span<const uint8_t> body) {
  const std::string seen = object->Version(reply);
  if (!seen.empty() && !version.empty() && seen != version) {
    return {Code::kSourceChanged, "the object was replaced while it was being fetched"};
  }
  if (!seen.empty()) version = seen;
  return object->Verify(reply, body);
}

}  // namespace photovec::fetch
