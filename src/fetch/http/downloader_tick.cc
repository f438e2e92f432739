// SPDX-License-Identifier: MIT
#include <algorithm>
#include <chrono>
#include <iterator>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "fetch/http/downloader_impl.h"
#include "fetch/local/fetch_pool.h"

namespace photovec::fetch {
namespace {

// Groups are forgotten when they are idle and there are more than this: clients may name any number of hosts.
constexpr size_t kMostGroups = 1024;

}  // namespace

void EngineImpl::Tick() {
  const TimePoint now = Clock::now();
  next_tick_ = now + std::chrono::milliseconds(kTickMs);
  std::vector<FlightPtr> flights;
  flights.reserve(flights_.size());
  for (const auto& [id, flight] : flights_) flights.push_back(flight);
  for (const FlightPtr& flight : flights) TickOne(flight, now);
  if (groups_.size() > kMostGroups) ForgetGroups();
}

void EngineImpl::TickOne(const FlightPtr& flight, TimePoint now) {
  const auto dead = TakeDeadWaiters(*flight);
  const bool over = flight->waiters.empty();
  if (over) Remove(*flight);
  for (const auto& [waiter, status] : dead) Answer(waiter, status);
  if (over) return;
  if (flight->give_up_at && now >= *flight->give_up_at) {
    const std::string ms = std::to_string(options_.total_timeout.count());
    return Fail(flight, {Code::kSourceTimeout, "the origin took longer than " + ms + " ms"});
  }
  if (flight->state == Flight::State::kPausing && now >= flight->resume_at) Requeue(flight);
  if (flight->state == Flight::State::kRunning) MaybeHedge(*flight, now);
}

// Those who are not wanted any more, and why. Their place in line is given back before they hear of it: who
// is told to go may ask anew at once.
std::vector<std::pair<Waiter, Status>> EngineImpl::TakeDeadWaiters(Flight& flight) {
  std::vector<std::pair<Waiter, Status>> dead;
  const auto wanted = [](const Waiter& waiter) { return StillWanted(waiter.request).ok(); };
  if (std::all_of(flight.waiters.begin(), flight.waiters.end(), wanted)) return dead;
  std::vector<Waiter> kept;
  for (Waiter& waiter : flight.waiters) {
    Status status = StillWanted(waiter.request);
    if (status.ok()) {
      kept.push_back(std::move(waiter));
    } else {
      dead.emplace_back(std::move(waiter), std::move(status));
    }
  }
  flight.waiters = std::move(kept);
  return dead;
}

void EngineImpl::MaybeHedge(Flight& flight, TimePoint now) {
  if (!options_.hedge || flight.source->trust() != Trust::kOperator) return;
  if (flight.hedged || flight.first == nullptr || active_ >= static_cast<size_t>(options_.max_transfers))
    return;
  const auto after = flight.group->HedgeAfter();
  if (!after || now - flight.first->started_at() < *after || !flight.group->TakeHedge()) return;
  flight.hedged = true;
  Launch(flight, flight.hedge);  // when it cannot be had, the first goes on alone
}

void EngineImpl::ForgetGroups() {
  for (auto it = groups_.begin(); it != groups_.end();) {
    const Group* group = it->second.get();
    const bool used = std::any_of(flights_.begin(), flights_.end(),
                                  [&](const auto& flight) { return flight.second->group == group; });
    it = used ? std::next(it) : groups_.erase(it);
  }
}

void EngineImpl::CancelAll() {
  const Status status(Code::kCancelled, "the server is shutting down");
  while (!flights_.empty()) Fail(FlightPtr(flights_.begin()->second), status);
  std::vector<Arrival> arrivals;
  {
    std::scoped_lock lock(mutex_);
    arrivals.swap(arrivals_);
  }
  for (const Arrival& arrival : arrivals) Answer(arrival.waiter, status);
}

}  // namespace photovec::fetch
