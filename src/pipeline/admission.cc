// SPDX-License-Identifier: MIT
#include "pipeline/admission.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <utility>

namespace photovec::pipeline {
namespace {

using std::chrono::seconds;

// New requests are taken while the wait is below this share of what is allowed; the rest is for those who
// were refused, were told to come back now, and did.
constexpr double kNewcomersShare = 0.7;
// How long a client is believed that says how much it will send; then only as much again as has come.
constexpr seconds kPromise{2};
// Clients that leave after so long would not have waited longer: less than that is let in, some of it for the
// work itself.
constexpr double kOfPatience = 0.75;
constexpr double kPatienceOver = 10;          // how many leave before it is believed
constexpr double kLeastPatience = 0.25;       // of the limit: who leaves earlier did not leave for the wait
constexpr double kPatienceBackSeconds = 300;  // until the whole limit is tried again
constexpr double kLaneFadeSeconds = 5;
constexpr double kLearnOver = 64;  // images
constexpr double kBulkShare = 0.2;
constexpr int kLongestRetryAfter = 600;
// Those who are expected put off others by so many times what may wait, within these bounds: if they never
// come that is soon learnt, so clients that come back at once and over and over cannot send others far away.
constexpr double kLongestLine = 5;
constexpr double kLeastLineSeconds = 30;
constexpr double kMostLineSeconds = 300;

constexpr size_t Index(Lane lane) { return static_cast<size_t>(lane); }
constexpr Lane Other(Lane lane) { return lane == Lane::kBulk ? Lane::kInteractive : Lane::kBulk; }

void Learn(double& mean, double value) { mean += (value - mean) / (mean == 0 ? 1 : kLearnOver); }

Lane LaneOf(const AdmissionAsk& ask) { return ask.images > kMostInteractiveImages ? Lane::kBulk : ask.lane; }

}  // namespace

struct Admission::Model {
  explicit Model(AdmissionModel model) : given(model), served(model.first_rate) {}

  /// What an image of so many bytes costs; the mean is 1. Encoding costs the same for each, decoding goes by
  /// bytes.
  double Work(uint64_t size) const {
    if (size == 0 || bytes <= 0 || decode_us <= 0) return 1;
    const double decode = decode_us / given.decoders;
    const double encode = encode_us / given.streams;
    const double relative = static_cast<double>(size) / bytes;
    return std::clamp((encode + decode * relative) / (encode + decode), 0.05, 20.0);
  }
  bool Busy() const { return here > given.decoders + given.streams; }
  double Recent(TimePoint now) const {
    return recent * std::exp(-Seconds(now - recent_at) / kLaneFadeSeconds);
  }

  const AdmissionModel given;
  std::array<FairLoad, kLaneCount> waiting;  // announced, waiting or in work
  FairLoad fetching;                         // in images
  RateMeter served;
  RateMeter fetched;
  int here = 0;       // images that are fetched and not ended
  double recent = 0;  // interactive work done lately, fading
  TimePoint recent_at{};
  double decode_us = 0;  // means
  double encode_us = 0;  // of an image's part of a batch
  double batch_us = 0;
  double bytes = 0;
  std::atomic<int64_t> rest_from_decode_us{0};
  std::atomic<int64_t> rest_from_encode_us{0};
  std::array<Bookings, kLaneCount> bookings;
  std::array<double, kLaneCount> patience_s{};  // what is allowed now
  std::array<TimePoint, kLaneCount> patience_at{};
  std::array<int, kLaneCount> requests{};
  std::array<int, kLaneCount> running{};
};

Admission::Admission(AdmissionOptions options) : options_(options) {}
Admission::~Admission() = default;

void Admission::AddModel(AdmissionModel given) {
  auto model = std::make_unique<Model>(given);
  for (size_t i = 0; i < kLaneCount; ++i) model->patience_s[i] = Seconds(options_.max_wait[i]);
  models_.push_back(std::move(model));
}

Result<std::shared_ptr<Ticket>, Refusal> Admission::Ask(const AdmissionAsk& ask, TimePoint now) {
  std::scoped_lock lock(mutex_);
  ForgetSilent(now);
  Model& model = *models_[static_cast<size_t>(ask.model)];
  const Lane lane = LaneOf(ask);
  const bool expected = model.bookings[Index(lane)].Claim(ask.retry_key, now);
  const double wait = WaitSeconds(model, ask, now);
  const double allowed = Patience(model, lane, now) * (expected ? 1 : kNewcomersShare);
  double excess = wait - allowed;
  Refusal::Reason reason = Refusal::Reason::kQueueTime;
  const double rate = RatePerSecond(model, lane, now);
  // A few images on an idle server are tried in any case: they are dropped in time if it was too little.
  const bool alone = wait <= 0 && ask.images <= model.given.decoders + model.given.streams;
  if (!alone && rate > 0 && !ask.deadline.infinite()) {
    const double left = Seconds(ask.deadline.at() - now);
    const double needed = wait + ask.images / rate + 1e-6 * static_cast<double>(model.rest_from_decode_us);
    if (needed - left > std::max(0.0, excess)) {
      excess = needed - left;
      reason = Refusal::Reason::kDeadline;
    }
  }
  if (excess <= 0) return Open(ask, now);
  Refusal refusal;
  refusal.reason = reason;
  refusal.retry_after_s = Book(model, ask, excess, now);
  const std::string when = "; try again in " + std::to_string(refusal.retry_after_s) + " s";
  refusal.status =
      reason == Refusal::Reason::kDeadline
          ? Status(Code::kOverloaded,
                   "it cannot be answered within the request's time: allow more, or send fewer images" + when)
          : Status(Code::kOverloaded, "too much waits already (--max-queue-time)" + when);
  return refusal;
}

int Admission::RetryAfter(const AdmissionAsk& ask, TimePoint now) {
  std::scoped_lock lock(mutex_);
  Model& model = *models_[static_cast<size_t>(ask.model)];
  const double rate = RatePerSecond(model, LaneOf(ask), now);
  return Book(model, ask, rate > 0 ? ask.images / rate : 0, now);
}

// After the excess is done, and those who are expected before.
int Admission::Book(Model& model, const AdmissionAsk& ask, double excess, TimePoint now) const {
  const Lane lane = LaneOf(ask);
  const double rate = RatePerSecond(model, lane, now);
  Bookings& bookings = model.bookings[Index(lane)];
  const double longest =
      std::clamp(kLongestLine * Seconds(options_.max_wait[Index(lane)]), kLeastLineSeconds, kMostLineSeconds);
  const double line = rate > 0 ? std::min(longest, bookings.Expected(now) / rate) : 0;
  const auto after = static_cast<int>(std::clamp(std::ceil(excess + line), 1.0, double{kLongestRetryAfter}));
  bookings.Book(ask.retry_key, ask.images, now, now + seconds(after));
  return after;
}

std::shared_ptr<Ticket> Admission::Enter(const AdmissionAsk& ask, TimePoint now) {
  std::scoped_lock lock(mutex_);
  return Open(ask, now);
}

std::shared_ptr<Ticket> Admission::Open(const AdmissionAsk& ask, TimePoint now) {
  const uint64_t id = ++last_id_;
  Request& request = requests_[id];
  request.model = ask.model;
  request.lane = LaneOf(ask);
  request.client = ask.client;
  request.asked_bulk = ask.lane == Lane::kBulk;
  request.opened = now;
  ++models_[static_cast<size_t>(ask.model)]->requests[Index(request.lane)];
  Rank(request, ask.images);
  Announce(request, ask.images);
  if (ask.images > 0) announced_.emplace_back(now + kPromise, id);
  return std::make_shared<Ticket>(shared_from_this(), id, ask.model);
}

// The place in line: behind what this client asked for before, and not before what is in work now.
void Admission::Rank(Request& request, double images) {
  LaneOrder& order = order_[Index(request.lane)];
  LaneClient& client = order.clients[request.client];
  ++client.requests;
  request.rank = std::max(order.now, client.finish);
  client.finish = request.rank + images;
}

void Admission::Unrank(const Request& request) {
  auto& clients = order_[Index(request.lane)].clients;
  const auto client = clients.find(request.client);
  if (client != clients.end() && --client->second.requests == 0) clients.erase(client);
}

void Admission::Announce(Request& request, double images) {
  request.announced += images;
  models_[static_cast<size_t>(request.model)]->waiting[Index(request.lane)].Add(request.client, images);
}

void Admission::ForgetSilent(TimePoint now) {
  for (; !announced_.empty() && announced_.front().first <= now; announced_.pop_front()) {
    const auto found = requests_.find(announced_.front().second);
    if (found == requests_.end()) continue;
    Request& request = found->second;
    const double believed = std::min(request.announced, static_cast<double>(request.added));
    Announce(request, believed - request.announced);
  }
}

// What a lane gets of the rate while the other one has work, too.
double Admission::RatePerSecond(const Model& model, Lane lane, TimePoint now) {
  const double rate = model.served.PerSecond(now);
  if (model.waiting[Index(Other(lane))].total() < 1) return rate;
  if (lane == Lane::kInteractive) return rate * (1 - kBulkShare);
  return std::max(rate * kBulkShare, rate - model.Recent(now) / kLaneFadeSeconds);
}

double Admission::WaitSeconds(const Model& model, const AdmissionAsk& ask, TimePoint now) {
  const Lane lane = LaneOf(ask);
  double wait = 0;
  // What decoders and streams hold does not wait, nor does whoever comes while they have room.
  const double held = model.waiting[0].total() + model.waiting[1].total();
  if (held <= model.given.decoders + model.given.streams) return 0;
  const double rate = RatePerSecond(model, lane, now);
  if (rate > 0) wait = model.waiting[Index(lane)].Ahead(ask.client, ask.images) / rate;
  const double fetches = ask.by_reference ? model.fetched.PerSecond(now) : 0;
  if (fetches > 0) wait = std::max(wait, model.fetching.Ahead(ask.client, ask.images) / fetches);
  return wait;
}

double Admission::Patience(Model& model, Lane lane, TimePoint now) const {
  const double limit = Seconds(options_.max_wait[Index(lane)]);
  double& patience = model.patience_s[Index(lane)];
  TimePoint& at = model.patience_at[Index(lane)];
  if (at != TimePoint{}) {
    patience = std::min(limit, patience + limit * Seconds(now - at) / kPatienceBackSeconds);
  }
  at = now;
  return patience;
}

void Admission::LearnPatience(Model& model, const Request& request, TimePoint now) {
  const double limit = Seconds(options_.max_wait[Index(request.lane)]);
  const double age = Seconds(now - request.opened);
  double& patience = model.patience_s[Index(request.lane)];
  if (age < limit * kLeastPatience || age * kOfPatience >= patience) return;
  patience += (std::max(age * kOfPatience, limit * kLeastPatience) - patience) / kPatienceOver;
}

// It proves larger or smaller than it was said to be.
void Admission::Move(Request& request, Lane lane) {
  Model& model = *models_[static_cast<size_t>(request.model)];
  const double announced = request.announced;
  Announce(request, -announced);
  Unrank(request);
  --model.requests[Index(request.lane)];
  if (request.running) --model.running[Index(request.lane)];
  request.lane = lane;
  ++model.requests[Index(request.lane)];
  if (request.running) ++model.running[Index(request.lane)];
  Rank(request, announced);
  Announce(request, announced);
}

Charge Admission::Add(uint64_t id, uint64_t bytes, bool by_reference, TimePoint now) {
  std::scoped_lock lock(mutex_);
  Request& request = requests_.at(id);
  Model& model = *models_[static_cast<size_t>(request.model)];
  if (++request.added > kMostInteractiveImages && request.lane == Lane::kInteractive) {
    Move(request, Lane::kBulk);
  }
  if (request.announced >= 1) {
    Announce(request, -1);
  } else {
    order_[Index(request.lane)].clients[request.client].finish += 1;
  }
  Charge charge{{request.lane, request.rank, id}, model.Work(bytes), by_reference};
  model.waiting[Index(request.lane)].Add(request.client, charge.work);
  if (by_reference) {
    model.fetching.Add(request.client, 1);
    if (model.fetching.total() > model.given.fetch_ahead) model.fetched.OnBusy(now);
  } else {
    ++model.here;
    if (model.Busy()) model.served.OnBusy(now);
  }
  return charge;
}

void Admission::Expect(uint64_t id, double images) {
  std::scoped_lock lock(mutex_);
  Request& request = requests_.at(id);
  const bool small = request.added + images <= kMostInteractiveImages;
  if (small && request.lane == Lane::kBulk && request.added == 0 && !request.asked_bulk) {
    Move(request, Lane::kInteractive);
  }
  Announce(request, std::max(0.0, images) - request.announced);
}

void Admission::Skip(uint64_t id) {
  std::scoped_lock lock(mutex_);
  Request& request = requests_.at(id);
  if (request.announced >= 1) Announce(request, -1);
}

void Admission::Finish(uint64_t id) {
  std::scoped_lock lock(mutex_);
  Request& request = requests_.at(id);
  LaneClient& client = order_[Index(request.lane)].clients[request.client];
  client.finish = std::max(request.rank, client.finish - request.announced);
  Announce(request, -request.announced);
}

void Admission::OnFetched(uint64_t id, Charge& charge, uint64_t bytes, TimePoint now) {
  std::scoped_lock lock(mutex_);
  const Request& request = requests_.at(id);
  Model& model = *models_[static_cast<size_t>(request.model)];
  charge.fetching = false;
  model.fetching.Add(request.client, -1);
  model.fetched.OnDone(1, model.fetching.total() > model.given.fetch_ahead, now);
  const double work = model.Work(bytes);
  model.waiting[Index(charge.turn.lane)].Add(request.client, work - std::exchange(charge.work, work));
  ++model.here;
  if (model.Busy()) model.served.OnBusy(now);
}

void Admission::OnStarted(uint64_t id, const Charge& charge) {
  std::scoped_lock lock(mutex_);
  Request& request = requests_.at(id);
  LaneOrder& order = order_[Index(charge.turn.lane)];
  order.now = std::max(order.now, charge.turn.rank);
  if (std::exchange(request.running, true)) return;
  ++models_[static_cast<size_t>(request.model)]->running[Index(request.lane)];
}

void Admission::OnEnded(uint64_t id, const Charge& charge, const Served& served, TimePoint now) {
  std::scoped_lock lock(mutex_);
  const Request& request = requests_.at(id);
  Model& model = *models_[static_cast<size_t>(request.model)];
  model.waiting[Index(charge.turn.lane)].Add(request.client, -charge.work);
  if (charge.fetching) {
    model.fetching.Add(request.client, -1);
    model.fetched.OnDone(served.served ? 1 : 0, model.fetching.total() > model.given.fetch_ahead, now);
    return;
  }
  --model.here;
  model.served.OnDone(served.served ? charge.work : 0, model.Busy(), now);
  if (served.served && charge.turn.lane == Lane::kInteractive) {
    model.recent = model.Recent(now) + charge.work;
    model.recent_at = now;
  }
  if (served.decode_us < 0 || served.encode_us < 0) return;
  Learn(model.decode_us, served.decode_us);
  Learn(model.batch_us, served.encode_us);
  Learn(model.encode_us, served.encode_us / std::max(1, served.batch_size));
  Learn(model.bytes, static_cast<double>(served.bytes));
  model.rest_from_encode_us = static_cast<int64_t>(model.batch_us);
  model.rest_from_decode_us = static_cast<int64_t>(model.decode_us + model.batch_us);
}

void Admission::OnLeft(uint64_t id, TimePoint now) {
  std::scoped_lock lock(mutex_);
  Request& request = requests_.at(id);
  if (std::exchange(request.left, true)) return;
  LearnPatience(*models_[static_cast<size_t>(request.model)], request, now);
}

void Admission::Close(uint64_t id) {
  std::scoped_lock lock(mutex_);
  Request& request = requests_.at(id);
  Model& model = *models_[static_cast<size_t>(request.model)];
  Announce(request, -request.announced);
  Unrank(request);
  --model.requests[Index(request.lane)];
  if (request.running) --model.running[Index(request.lane)];
  requests_.erase(id);
}

Clock::duration Ticket::RestFromDecode() const {
  return std::chrono::microseconds(
      admission_->models_[static_cast<size_t>(model_)]->rest_from_decode_us.load());
}

Clock::duration Ticket::RestFromEncode() const {
  return std::chrono::microseconds(
      admission_->models_[static_cast<size_t>(model_)]->rest_from_encode_us.load());
}

ModelState Admission::State(int index, TimePoint now) {
  std::scoped_lock lock(mutex_);
  ForgetSilent(now);
  Model& model = *models_[static_cast<size_t>(index)];
  ModelState state;
  state.images_per_second = model.served.PerSecond(now);
  for (const Lane lane : {Lane::kInteractive, Lane::kBulk}) {
    LaneState& row = state.lanes[Index(lane)];
    row.images = model.waiting[Index(lane)].total();
    const double rate = RatePerSecond(model, lane, now);
    row.wait_s = rate > 0 ? row.images / rate : 0;
    const bool limited = options_.max_wait[Index(lane)] != Clock::duration::max();
    row.max_wait_s = limited ? Patience(model, lane, now) : 0;
    row.running = model.running[Index(lane)];
    row.waiting = model.requests[Index(lane)] - row.running;
  }
  return state;
}

Ticket::~Ticket() { admission_->Close(id_); }

Charge Ticket::Add(uint64_t bytes, bool by_reference, TimePoint now) {
  return admission_->Add(id_, bytes, by_reference, now);
}

void Ticket::Expect(double images) { admission_->Expect(id_, images); }

void Ticket::Skip() { admission_->Skip(id_); }

void Ticket::Finish() { admission_->Finish(id_); }

void Ticket::OnFetched(Charge& charge, uint64_t bytes, TimePoint now) {
  admission_->OnFetched(id_, charge, bytes, now);
}

void Ticket::OnStarted(const Charge& charge) { admission_->OnStarted(id_, charge); }

void Ticket::OnEnded(const Charge& charge, const Served& served, TimePoint now) {
  admission_->OnEnded(id_, charge, served, now);
}

void Ticket::OnLeft(TimePoint now) { admission_->OnLeft(id_, now); }

}  // namespace photovec::pipeline
