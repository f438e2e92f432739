// SPDX-License-Identifier: MIT
#include <algorithm>
#include <chrono>
#include <iterator>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "fetch/http/downloader_impl.h"
#include "fetch/http/retry.h"

namespace photovec::fetch {

void EngineImpl::OnDone(CURL* easy, CURLcode code) {
  Transfer* done = Transfer::Of(easy);
  loop_->Remove(easy);
  const FlightPtr flight = flights_.at(done->owner());
  const Transfer::Outcome outcome = done->HopDone(code);
  if (outcome == Transfer::Outcome::kNextHop) {
    if (!loop_->Add(done->easy()))
      Fail(flight, {Code::kUnavailable, "libcurl refused the next hop: out of memory"});
    return;
  }
  const bool hedge = done == flight->hedge.get();
  const std::unique_ptr<Transfer> transfer = std::move(hedge ? flight->hedge : flight->first);
  if (outcome == Transfer::Outcome::kBody) return OnBody(flight, *transfer, hedge);
  if (outcome == Transfer::Outcome::kRefused) return OnRefused(flight, *transfer, hedge);
  OnFailed(flight, *transfer, hedge);
}

// Of a body that is here whole.
Status EngineImpl::CheckBody(Flight& flight, Transfer& transfer, std::span<const uint8_t> body) {
  const std::string version = flight.object->Version(transfer);
  if (!version.empty() && !flight.version.empty() && version != flight.version) {
    return {Code::kSourceChanged, "the object was replaced while it was being fetched"};
  }
  if (!version.empty()) flight.version = version;
  return flight.object->Verify(transfer, body);
}

void EngineImpl::OnBody(const FlightPtr& flight, Transfer& transfer, bool hedge) {
  std::string text = transfer.TakeBody();
  const Status checked =
      CheckBody(*flight, transfer, std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
  Report(*flight, transfer, hedge, checked.code());
  if (checked.code() == Code::kChecksumMismatch && !std::exchange(flight->rechecked, true)) {
    return Retry(flight, checked, {}, false);
  }
  if (!checked.ok()) return Fail(flight, checked);
  flight->group->OnSuccess(Clock::now() - transfer.started_at(), flight->attempts > 1);
  const Bytes bytes = Bytes::Own(std::move(text));
  Remove(*flight);
  for (const Waiter& waiter : flight->waiters) {
    if (static_cast<int64_t>(bytes.size()) <= waiter.request.max_bytes) {
      Answer(waiter, bytes);
    } else {
      Answer(waiter, Status(Code::kBodyTooLarge, "the image has more than " +
                                                     std::to_string(waiter.request.max_bytes) + " bytes"));
    }
  }
}

void EngineImpl::OnRefused(const FlightPtr& flight, Transfer& transfer, bool hedge) {
  const Refusal refusal = flight->object->OnRefused(transfer);
  Report(*flight, transfer, hedge, refusal.status.code());
  if (refusal.renew_credentials && !std::exchange(flight->renewed, true)) {
    flight->object->RenewCredentials();
    --flight->attempts;  // it was not the store's fault
    Land(flight->first);
    Land(flight->hedge);
    LeaveGroup(*flight);
    return Requeue(flight);
  }
  const long status = transfer.status();
  const bool throttled = status == 429 || status == 503;
  if (throttled) flight->group->OnThrottled();
  if (!refusal.retry) return Fail(flight, refusal.status);
  Clock::duration pause{};
  if (const auto header = transfer.Header("Retry-After")) {
    if (const auto asked = ParseRetryAfter(*header, std::chrono::system_clock::now())) pause = *asked;
  }
  Retry(flight, refusal.status, pause, throttled);
}

void EngineImpl::OnFailed(const FlightPtr& flight, Transfer& transfer, bool hedge) {
  const Status& failure = transfer.failure();
  Report(*flight, transfer, hedge, failure.code());
  // A body that broke off was of some version too.
  if (transfer.status() == 200 && flight->version.empty())
    flight->version = flight->object->Version(transfer);
  if (failure.code() == Code::kBodyTooLarge) return TooLarge(flight, failure, transfer.max_bytes());
  if (!transfer.worth_retrying()) return Fail(flight, failure);
  Retry(flight, failure, {}, false);
}

// Somebody may have joined who takes more than was asked for: for them it starts anew.
void EngineImpl::TooLarge(const FlightPtr& flight, const Status& status, int64_t limit) {
  if (flight->max_bytes() <= limit) return Fail(flight, status);
  const auto takes_more = [&](const Waiter& waiter) { return waiter.request.max_bytes > limit; };
  const auto out = std::stable_partition(flight->waiters.begin(), flight->waiters.end(), takes_more);
  std::vector<Waiter> refused(std::make_move_iterator(out), std::make_move_iterator(flight->waiters.end()));
  flight->waiters.erase(out, flight->waiters.end());
  --flight->attempts;
  Land(flight->first);
  Land(flight->hedge);
  LeaveGroup(*flight);
  Requeue(flight);
  for (const Waiter& waiter : refused) Answer(waiter, status);
}

void EngineImpl::Retry(const FlightPtr& flight, Status why, Clock::duration least_pause, bool throttled) {
  if (flight->first != nullptr || flight->hedge != nullptr) {  // the other one may still make it
    flight->last_failure = std::move(why);
    return;
  }
  const Clock::duration base = throttled ? options_.throttled_backoff : options_.backoff;
  const TimePoint resume = Clock::now() + std::max(least_pause, Backoff(flight->attempts + 1, base, random_));
  const TimePoint latest = std::min(*flight->give_up_at, flight->latest_deadline());
  if (flight->attempts >= options_.max_attempts || resume >= latest || !flight->group->budget.Take()) {
    if (flight->attempts > 1) {
      why = Status(why.code(), why.message() + ", " + std::to_string(flight->attempts) + " times");
    }
    return Fail(flight, why);
  }
  if (observer_ != nullptr) observer_->OnRetry(flight->source->name(), why.code());
  flight->last_failure = std::move(why);
  flight->resume_at = resume;
  flight->state = Flight::State::kPausing;
  LeaveGroup(*flight);
}

// Before those that came later.
void EngineImpl::Requeue(const FlightPtr& flight) {
  flight->state = Flight::State::kWaiting;
  waiting_.push_front(flight);
  look_ = true;
}

void EngineImpl::LeaveGroup(Flight& flight) {
  flight.group->OnEnd();
  --active_;
  look_ = true;
}

void EngineImpl::Land(std::unique_ptr<Transfer>& transfer) {
  if (transfer == nullptr) return;
  if (transfer->easy() != nullptr) loop_->Remove(transfer->easy());
  transfer.reset();
}

void EngineImpl::Fail(const FlightPtr& flight, const Status& status) {
  Remove(*flight);
  for (const Waiter& waiter : flight->waiters) Answer(waiter, status);
}

// The flight is over; its waiters are still to be answered.
void EngineImpl::Remove(Flight& flight) {
  Land(flight.first);
  Land(flight.hedge);
  if (flight.state == Flight::State::kSigning || flight.state == Flight::State::kRunning) LeaveGroup(flight);
  if (flight.state == Flight::State::kWaiting) {
    waiting_.remove_if([&](const FlightPtr& waiting) { return waiting.get() == &flight; });
  }
  if (std::exchange(flight.counted, false)) {
    std::scoped_lock lock(mutex_);
    --in_line_;
  }
  by_key_.erase(flight.key);
  flights_.erase(flight.id);
}

void EngineImpl::Report(const Flight& flight, const Transfer& transfer, bool hedge, Code code) const {
  if (observer_ == nullptr) return;
  AttemptReport report;
  report.source = flight.source->name();
  report.code = code;
  report.number = flight.attempts;
  report.hedge = hedge;
  report.bytes = transfer.received_bytes();
  report.took = Clock::now() - transfer.started_at();
  observer_->OnAttempt(report);
}

}  // namespace photovec::fetch
