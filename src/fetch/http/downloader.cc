// SPDX-License-Identifier: MIT
#include "fetch/http/downloader.h"

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "base/log.h"
#include "base/thread_pool.h"
#include "fetch/http/downloader_impl.h"
#include "fetch/reference.h"

namespace photovec::fetch {
namespace {

constexpr int kIdleMs = 60'000;

}  // namespace

void Answer(const Waiter& waiter, Result<Bytes> result) {
  if (result.ok()) return waiter.done(std::move(result));
  const Status status = result.status().WithContext(Shown(waiter.request.reference));
  log::debug("fetch: {}", status.ToString());
  waiter.done(status);
}

EngineImpl::~EngineImpl() {
  if (!thread_.joinable()) return;
  {
    std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  loop_->Wake();
  thread_.join();
  // Whoever still waits for a token is answered by the end of its source, and writes here what it got.
  ports_.clear();
}

Status EngineImpl::Start() {
  ASSIGN_OR_RETURN(loop_, CurlLoop::Create(options_.max_transfers,
                                           [this](CURL* easy, CURLcode code) { OnDone(easy, code); }));
  thread_ = std::thread([this] { Run(); });
  return Status::Ok();
}

Fetcher* EngineImpl::Get(std::string_view name) {
  for (const auto& port : ports_) {
    if (port->source().name() == name) return port.get();
  }
  return nullptr;
}

void EngineImpl::Port::Fetch(FetchRequest request, FetchCallback done) {
  Result<std::unique_ptr<SourceObject>> object = source_->Open(request.reference);
  Waiter waiter{std::move(request), std::move(done)};
  if (!object.ok()) return Answer(waiter, object.status());
  Arrival arrival{source_.get(), std::move(*object), std::move(waiter)};
  const Status queued = engine_.Enqueue(arrival);
  if (!queued.ok()) return Answer(arrival.waiter, queued);
  engine_.loop_->Wake();
}

// Takes the arrival when it returns OK.
Status EngineImpl::Enqueue(Arrival& arrival) {
  std::scoped_lock lock(mutex_);
  if (stopping_) return {Code::kCancelled, "the server is shutting down"};
  if (in_line_ >= options_.max_queued) {
    return {Code::kOverloaded, "too many images wait to be downloaded; try again later"};
  }
  ++in_line_;
  arrivals_.push_back(std::move(arrival));
  return Status::Ok();
}

void EngineImpl::Run() {
  SetThreadName("fetch-http");
  while (TakeMail()) {
    if (Clock::now() >= next_tick_) Tick();
    StartWaiting();
    loop_->RunOnce(flights_.empty() ? kIdleMs : kTickMs);
  }
  CancelAll();
}

// False when it is time to stop.
bool EngineImpl::TakeMail() {
  std::vector<Arrival> arrivals;
  std::vector<Signed> headers;
  {
    std::scoped_lock lock(mutex_);
    arrivals.swap(arrivals_);
    headers.swap(signed_);
    if (stopping_) arrivals_.swap(arrivals);  // CancelAll answers them
    if (stopping_) return false;
  }
  for (Arrival& arrival : arrivals) Board(std::move(arrival));
  for (Signed& mail : headers) {
    const auto it = flights_.find(mail.flight);
    if (it != flights_.end()) OnSigned(FlightPtr(it->second), std::move(mail.headers));
  }
  return true;
}

// Joins a flight of the same reference, or opens one.
void EngineImpl::Board(Arrival arrival) {
  std::string key = std::string(arrival.source->name()) + ' ' + arrival.waiter.request.reference;
  const auto it = by_key_.find(key);
  if (it != by_key_.end()) {
    it->second->waiters.push_back(std::move(arrival.waiter));
    if (observer_ != nullptr) observer_->OnShared(arrival.source->name());
    std::scoped_lock lock(mutex_);
    --in_line_;
    return;
  }
  auto flight = std::make_shared<Flight>();
  flight->id = ++last_id_;
  flight->source = arrival.source;
  flight->object = std::move(arrival.object);
  flight->group = &GroupOf(flight->object->group());
  flight->waiters.push_back(std::move(arrival.waiter));
  by_key_[key] = flight.get();
  flight->key = std::move(key);
  flights_[flight->id] = flight;
  waiting_.push_back(std::move(flight));
  look_ = true;
}

Group& EngineImpl::GroupOf(const std::string& name) {
  auto& group = groups_[name];
  if (group == nullptr) group = std::make_unique<Group>(options_.max_transfers_per_host);
  group->last_used = Clock::now();
  return *group;
}

void EngineImpl::StartWaiting() {
  if (!std::exchange(look_, false)) return;
  for (auto it = waiting_.begin();
       it != waiting_.end() && active_ < static_cast<size_t>(options_.max_transfers);) {
    if (!(*it)->group->HasRoom()) {
      ++it;
      continue;
    }
    const FlightPtr flight = std::move(*it);
    it = waiting_.erase(it);
    Sign(flight);
  }
}

void EngineImpl::Sign(const FlightPtr& flight) {
  if (std::exchange(flight->counted, false)) {
    std::scoped_lock lock(mutex_);
    --in_line_;
  }
  if (!flight->give_up_at) flight->give_up_at = Clock::now() + options_.total_timeout;
  flight->state = Flight::State::kSigning;
  flight->group->OnStart();
  ++active_;
  ++flight->attempts;
  flight->hedged = false;
  // Usually at once, on this thread; a mail to oneself would cost two system calls. `here` says whether it
  // still is.
  struct Now {
    std::mutex mutex;
    bool over = false;
    std::optional<SourceObject::Headers> headers;
  };
  const auto here = std::make_shared<Now>();
  const std::shared_ptr<SourceObject> object = flight->object;  // lives on while a token is asked for
  object->Sign([this, here, object, id = flight->id](SourceObject::Headers headers) {
    {
      std::scoped_lock lock(here->mutex);
      if (!here->over) {
        here->headers = std::move(headers);
        return;
      }
    }
    {
      std::scoped_lock lock(mutex_);
      signed_.push_back({id, std::move(headers)});
    }
    loop_->Wake();
  });
  std::optional<SourceObject::Headers> headers;
  {
    std::scoped_lock lock(here->mutex);
    here->over = true;
    headers = std::move(here->headers);
  }
  if (headers) OnSigned(flight, std::move(*headers));
}

void EngineImpl::OnSigned(const FlightPtr& flight, SourceObject::Headers headers) {
  if (flight->state != Flight::State::kSigning) return;
  if (!headers.ok()) return Fail(flight, headers.status());
  flight->headers = std::move(*headers);
  flight->state = Flight::State::kRunning;
  if (!Launch(*flight, flight->first))
    Fail(flight, {Code::kUnavailable, "libcurl refused the transfer: out of memory"});
}

bool EngineImpl::Launch(Flight& flight, std::unique_ptr<Transfer>& place) {
  place = std::make_unique<Transfer>(context_, flight.source->trust(), flight.max_bytes(), flight.id);
  const Status begun = place->Begin(flight.object->url(), flight.headers);
  if (!begun.ok()) log::warn("fetch: {}: {}", flight.object->group(), begun.message());
  if (begun.ok() && loop_->Add(place->easy())) return true;
  place.reset();
  return false;
}

Result<std::unique_ptr<Engine>> Engine::Create(const FetchOptions& options, UrlPolicy policy,
                                               FetchObserver* observer) {
  auto engine = std::make_unique<EngineImpl>(options, std::move(policy), observer);
  RETURN_IF_ERROR(engine->Start());
  return std::unique_ptr<Engine>(std::move(engine));
}

}  // namespace photovec::fetch
