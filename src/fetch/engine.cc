// SPDX-License-Identifier: MIT
#include "fetch/engine.h"

#include <algorithm>
#include <list>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>

#include "base/log.h"
#include "base/thread_pool.h"
#include "fetch/curl_loop.h"
#include "fetch/fetch_pool.h"
#include "fetch/flight.h"
#include "fetch/reference.h"
#include "fetch/retry.h"
#include "fetch/transfer.h"

namespace photovec::fetch {
namespace {

// CancelFlag cannot wake anybody, so the loop looks at it this often while there is something to cancel.
constexpr int kTickMs = 10;
constexpr int kIdleMs = 60'000;
// Groups are forgotten when they are idle and there are more than this: clients may name any number of hosts.
constexpr size_t kMostGroups = 1024;

void Answer(const Waiter& waiter, Result<Bytes> result) {
  if (result.ok()) return waiter.done(std::move(result));
  const Status status = result.status().WithContext(Shown(waiter.request.reference));
  log::debug("fetch: {}", status.ToString());
  waiter.done(status);
}

class EngineImpl final : public Engine {
 public:
  EngineImpl(const FetchOptions& options, UrlPolicy policy, FetchObserver* observer)
      : options_(options),
        policy_(std::move(policy)),
        observer_(observer),
        handles_(static_cast<size_t>(options.max_transfers)),
        context_{options_, policy_, handles_},
        random_(std::random_device{}()) {}
  ~EngineImpl() override;

  Status Start();
  void AddSource(std::unique_ptr<Source> source) override {
    ports_.push_back(std::make_unique<Port>(*this, std::move(source)));
  }
  const UrlPolicy& policy() const override { return policy_; }
  Fetcher* Get(std::string_view name) override;

 private:
  /// The way in for one source.
  class Port final : public Fetcher {
   public:
    Port(EngineImpl& engine, std::unique_ptr<Source> source) : engine_(engine), source_(std::move(source)) {}
    void Fetch(FetchRequest request, FetchCallback done) override;
    const Source& source() const { return *source_; }

   private:
    EngineImpl& engine_;
    const std::unique_ptr<Source> source_;
  };
  struct Arrival {
    const Source* source;
    std::unique_ptr<SourceObject> object;
    Waiter waiter;
  };
  struct Signed {
    uint64_t flight;
    SourceObject::Headers headers;
  };
  using FlightPtr = std::shared_ptr<Flight>;  // a callback may end a flight that the caller still looks at

  Status Enqueue(Arrival& arrival);
  void Run();
  bool TakeMail();
  void Board(Arrival arrival);
  void StartWaiting();
  void Sign(const FlightPtr& flight);
  void OnSigned(const FlightPtr& flight, SourceObject::Headers headers);
  bool Launch(Flight& flight, std::unique_ptr<Transfer>& place);
  void OnDone(CURL* easy, CURLcode code);
  void OnBody(const FlightPtr& flight, Transfer& transfer, bool hedge);
  void OnRefused(const FlightPtr& flight, Transfer& transfer, bool hedge);
  void OnFailed(const FlightPtr& flight, Transfer& transfer, bool hedge);
  Status CheckBody(Flight& flight, Transfer& transfer, std::span<const uint8_t> body);
  void TooLarge(const FlightPtr& flight, const Status& status, int64_t limit);
  void Retry(const FlightPtr& flight, Status why, Clock::duration least_pause, bool throttled);
  void Requeue(const FlightPtr& flight);
  void LeaveGroup(Flight& flight);
  void Land(std::unique_ptr<Transfer>& transfer);
  void Fail(const FlightPtr& flight, const Status& status);
  void Remove(Flight& flight);
  void Tick();
  void TickOne(const FlightPtr& flight, TimePoint now);
  static std::vector<std::pair<Waiter, Status>> TakeDeadWaiters(Flight& flight);
  void MaybeHedge(Flight& flight, TimePoint now);
  void ForgetGroups();
  void CancelAll();
  void Report(const Flight& flight, const Transfer& transfer, bool hedge, Code code) const;
  Group& GroupOf(const std::string& name);

  const FetchOptions options_;
  const UrlPolicy policy_;
  FetchObserver* const observer_;
  EasyPool handles_;
  const TransferContext context_;
  std::vector<std::unique_ptr<Port>> ports_;
  std::unique_ptr<CurlLoop> loop_;
  std::thread thread_;

  std::mutex mutex_;
  std::vector<Arrival> arrivals_;  // guarded by mutex_, as all to the empty line
  std::vector<Signed> signed_;
  size_t in_line_ = 0;  // arrivals and flights that were never started
  bool stopping_ = false;

  // Of the thread alone.
  std::minstd_rand random_;
  uint64_t last_id_ = 0;
  std::unordered_map<uint64_t, FlightPtr> flights_;
  std::unordered_map<std::string, Flight*> by_key_;
  std::list<FlightPtr> waiting_;
  std::unordered_map<std::string, std::unique_ptr<Group>> groups_;
  size_t active_ = 0;  // flights that hold a place in their group
  bool look_ = false;  // somebody came into line, or a place became free
  TimePoint next_tick_{};
};

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

}  // namespace

Result<std::unique_ptr<Engine>> Engine::Create(const FetchOptions& options, UrlPolicy policy,
                                               FetchObserver* observer) {
  auto engine = std::make_unique<EngineImpl>(options, std::move(policy), observer);
  RETURN_IF_ERROR(engine->Start());
  return std::unique_ptr<Engine>(std::move(engine));
}

}  // namespace photovec::fetch
