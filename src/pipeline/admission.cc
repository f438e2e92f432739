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

void Admission::AddModel(AdmissionModel images, AdmissionModel texts) {
  auto& kinds = models_.emplace_back();
  kinds = {std::make_unique<Model>(images), std::make_unique<Model>(texts)};
  for (const auto& model : kinds) {
    for (size_t i = 0; i < kLaneCount; ++i) model->patience_s[i] = Seconds(options_.max_wait[i]);
  }
}

Admission::Share Admission::ShareOf(const AdmissionAsk& ask, ItemKind kind) {
  Share share;
  share.model = ask.model;
  share.kind = kind;
  share.items = kind == ItemKind::kText ? ask.texts : ask.images;
  share.lane = share.items > MostInteractive(kind) ? Lane::kBulk : ask.lane;
  share.by_reference = ask.by_reference && kind == ItemKind::kImage;
  return share;
}

// One at least.
std::vector<Admission::Share> Admission::SharesOf(const AdmissionAsk& ask) {
  std::vector<Share> shares;
  if (ask.images > 0 || ask.texts == 0) shares.push_back(ShareOf(ask, ItemKind::kImage));
  if (ask.texts > 0) shares.push_back(ShareOf(ask, ItemKind::kText));
  return shares;
}

Result<std::shared_ptr<Ticket>, Refusal> Admission::Ask(const AdmissionAsk& ask, TimePoint now) {
  std::scoped_lock lock(mutex_);
  ForgetSilent(now);
  double most = 0;
  Refusal refusal;
  Share refused;
  for (const Share& share : SharesOf(ask)) {
    const auto [excess, reason] = Judge(share, ask, now);
    if (excess <= most) continue;
    most = excess;
    refusal.reason = reason;
    refused = share;
  }
  if (most <= 0) return Open(ask, now);
  refusal.retry_after_s = Book(refused, ask.retry_key, most, now);
  const std::string when = "; try again in " + std::to_string(refusal.retry_after_s) + " s";
  refusal.status =
      refusal.reason == Refusal::Reason::kDeadline
          ? Status(Code::kOverloaded,
                   "it cannot be answered within the request's time: allow more, or send fewer " +
                       std::string(refused.kind == ItemKind::kText ? "texts" : "images") + when)
          : Status(Code::kOverloaded, "too much waits already (--max-queue-time)" + when);
  return refusal;
}

std::pair<double, Refusal::Reason> Admission::Judge(const Share& share, const AdmissionAsk& ask,
                                                    TimePoint now) {
  Model& model = ModelOf(share);
  const bool expected = model.bookings[Index(share.lane)].Claim(ask.retry_key, now);
  const double wait = WaitSeconds(model, share, ask.client, now);
  const double allowed = Patience(model, share.lane, now) * (expected ? 1 : kNewcomersShare);
  double excess = wait - allowed;
  Refusal::Reason reason = Refusal::Reason::kQueueTime;
  const double rate = RatePerSecond(model, share.lane, now);
  // A few items on an idle server are tried in any case: they are dropped in time if it was too little.
  const bool alone = wait <= 0 && share.items <= model.given.decoders + model.given.streams;
  if (!alone && rate > 0 && !ask.deadline.infinite()) {
    const double left = Seconds(ask.deadline.at() - now);
    const double needed = wait + share.items / rate + 1e-6 * static_cast<double>(model.rest_from_decode_us);
    if (needed - left > std::max(0.0, excess)) {
      excess = needed - left;
      reason = Refusal::Reason::kDeadline;
    }
  }
  return {excess, reason};
}

int Admission::RetryAfter(const AdmissionAsk& ask, TimePoint now) {
  std::scoped_lock lock(mutex_);
  Share share = SharesOf(ask).front();
  share.items = std::max(1, share.items);
  const double rate = RatePerSecond(ModelOf(share), share.lane, now);
  return Book(share, ask.retry_key, rate > 0 ? share.items / rate : 0, now);
}

// After the excess is done, and those who are expected before.
int Admission::Book(const Share& share, uint64_t key, double excess, TimePoint now) {
  Model& model = ModelOf(share);
  const double rate = RatePerSecond(model, share.lane, now);
  Bookings& bookings = model.bookings[Index(share.lane)];
  const double longest = std::clamp(kLongestLine * Seconds(options_.max_wait[Index(share.lane)]),
                                    kLeastLineSeconds, kMostLineSeconds);
  const double line = rate > 0 ? std::min(longest, bookings.Expected(now) / rate) : 0;
  const auto after = static_cast<int>(std::clamp(std::ceil(excess + line), 1.0, double{kLongestRetryAfter}));
  bookings.Book(key, share.items, now, now + seconds(after));
  return after;
}

std::shared_ptr<Ticket> Admission::Enter(const AdmissionAsk& ask, TimePoint now) {
  std::scoped_lock lock(mutex_);
  return Open(ask, now);
}

std::shared_ptr<Ticket> Admission::Open(const AdmissionAsk& ask, TimePoint now) {
  auto ticket = std::make_shared<Ticket>(shared_from_this(), ask.model);
  for (const Share& share : SharesOf(ask)) OpenPart(*ticket, share, ask, now);
  return ticket;
}

Admission::Part& Admission::OpenPart(Ticket& ticket, const Share& share, const AdmissionAsk& ask,
                                     TimePoint now) {
  const uint64_t id = ++last_id_;
  ticket.parts_[static_cast<size_t>(share.kind)] = id;
  Part& part = parts_[id];
  part.model = share.model;
  part.kind = share.kind;
  part.lane = share.lane;
  part.client = ask.client;
  part.asked_bulk = ask.lane == Lane::kBulk;
  part.opened = now;
  ++ModelOf(part).requests[Index(part.lane)];
  Rank(part, share.items);
  Announce(part, share.items);
  if (share.items > 0) announced_.emplace_back(now + kPromise, id);
  return part;
}

// One that nobody spoke of is opened now, as the other one was.
Admission::Part& Admission::PartOf(Ticket& ticket, ItemKind kind, TimePoint now) {
  if (const uint64_t id = ticket.parts_[static_cast<size_t>(kind)]; id != 0) return parts_.at(id);
  AdmissionAsk ask;
  ask.model = ticket.model_;
  ask.images = 0;
  ForParts(ticket, [&](const Part& other) {
    ask.client = other.client;
    if (other.asked_bulk) ask.lane = Lane::kBulk;
  });
  return OpenPart(ticket, ShareOf(ask, kind), ask, now);
}

// The place in line: behind what this client asked for before, and not before what is in work now.
void Admission::Rank(Part& part, double items) {
  LaneOrder& order = OrderOf(part.kind, part.lane);
  LaneClient& client = order.clients[part.client];
  ++client.requests;
  part.rank = std::max(order.now, client.finish);
  client.finish = part.rank + items;
}

void Admission::Unrank(const Part& part) {
  auto& clients = OrderOf(part.kind, part.lane).clients;
  const auto client = clients.find(part.client);
  if (client != clients.end() && --client->second.requests == 0) clients.erase(client);
}

void Admission::Announce(Part& part, double items) {
  part.announced += items;
  ModelOf(part).waiting[Index(part.lane)].Add(part.client, items);
}

void Admission::ForgetSilent(TimePoint now) {
  for (; !announced_.empty() && announced_.front().first <= now; announced_.pop_front()) {
    const auto found = parts_.find(announced_.front().second);
    if (found == parts_.end()) continue;
    Part& part = found->second;
    const double believed = std::min(part.announced, static_cast<double>(part.added));
    Announce(part, believed - part.announced);
  }
}

// What a lane gets of the rate while the other one has work, too.
double Admission::RatePerSecond(const Model& model, Lane lane, TimePoint now) {
  const double rate = model.served.PerSecond(now);
  if (model.waiting[Index(Other(lane))].total() < 1) return rate;
  if (lane == Lane::kInteractive) return rate * (1 - kBulkShare);
  return std::max(rate * kBulkShare, rate - model.Recent(now) / kLaneFadeSeconds);
}

double Admission::WaitSeconds(const Model& model, const Share& share, uint64_t client, TimePoint now) {
  double wait = 0;
  // What decoders and streams hold does not wait, nor does whoever comes while they have room.
  const double held = model.waiting[0].total() + model.waiting[1].total();
  if (held <= model.given.decoders + model.given.streams) return 0;
  const double rate = RatePerSecond(model, share.lane, now);
  if (rate > 0) wait = model.waiting[Index(share.lane)].Ahead(client, share.items) / rate;
  const double fetches = share.by_reference ? model.fetched.PerSecond(now) : 0;
  if (fetches > 0) wait = std::max(wait, model.fetching.Ahead(client, share.items) / fetches);
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

void Admission::LearnPatience(Model& model, const Part& part, TimePoint now) {
  const double limit = Seconds(options_.max_wait[Index(part.lane)]);
  const double age = Seconds(now - part.opened);
  double& patience = model.patience_s[Index(part.lane)];
  if (age < limit * kLeastPatience || age * kOfPatience >= patience) return;
  patience += (std::max(age * kOfPatience, limit * kLeastPatience) - patience) / kPatienceOver;
}

// It proves larger or smaller than it was said to be.
void Admission::Move(Part& part, Lane lane) {
  Model& model = ModelOf(part);
  const double announced = part.announced;
  Announce(part, -announced);
  Unrank(part);
  --model.requests[Index(part.lane)];
  if (part.running) --model.running[Index(part.lane)];
  part.lane = lane;
  ++model.requests[Index(part.lane)];
  if (part.running) ++model.running[Index(part.lane)];
  Rank(part, announced);
  Announce(part, announced);
}

Charge Admission::Add(Ticket& ticket, ItemKind kind, uint64_t bytes, bool by_reference, TimePoint now) {
  std::scoped_lock lock(mutex_);
  Part& part = PartOf(ticket, kind, now);
  Model& model = ModelOf(part);
  if (++part.added > MostInteractive(kind) && part.lane == Lane::kInteractive) Move(part, Lane::kBulk);
  if (part.announced >= 1) {
    Announce(part, -1);
  } else {
    OrderOf(kind, part.lane).clients[part.client].finish += 1;
  }
  Charge charge{
      {part.lane, part.rank, ticket.parts_[static_cast<size_t>(kind)]}, model.Work(bytes), by_reference};
  model.waiting[Index(part.lane)].Add(part.client, charge.work);
  if (by_reference) {
    model.fetching.Add(part.client, 1);
    if (model.fetching.total() > model.given.fetch_ahead) model.fetched.OnBusy(now);
  } else {
    ++model.here;
    if (model.Busy()) model.served.OnBusy(now);
  }
  return charge;
}

void Admission::Expect(Ticket& ticket, double images) {
  std::scoped_lock lock(mutex_);
  Part& part = PartOf(ticket, ItemKind::kImage, Clock::now());
  const bool small = part.added + images <= kMostInteractiveImages;
  if (small && part.lane == Lane::kBulk && part.added == 0 && !part.asked_bulk) {
    Move(part, Lane::kInteractive);
  }
  Announce(part, std::max(0.0, images) - part.announced);
}

void Admission::Skip(Ticket& ticket) {
  std::scoped_lock lock(mutex_);
  double one = 1;
  ForParts(ticket, [&](Part& part) {
    if (part.announced >= 1) Announce(part, -std::exchange(one, 0));
  });
}

void Admission::Finish(Ticket& ticket) {
  std::scoped_lock lock(mutex_);
  ForParts(ticket, [&](Part& part) {
    LaneClient& client = OrderOf(part.kind, part.lane).clients[part.client];
    client.finish = std::max(part.rank, client.finish - part.announced);
    Announce(part, -part.announced);
  });
}

void Admission::OnFetched(Charge& charge, uint64_t bytes, TimePoint now) {
  std::scoped_lock lock(mutex_);
  const Part& part = parts_.at(charge.turn.flow);
  Model& model = ModelOf(part);
  charge.fetching = false;
  model.fetching.Add(part.client, -1);
  model.fetched.OnDone(1, model.fetching.total() > model.given.fetch_ahead, now);
  const double work = model.Work(bytes);
  model.waiting[Index(charge.turn.lane)].Add(part.client, work - std::exchange(charge.work, work));
  ++model.here;
  if (model.Busy()) model.served.OnBusy(now);
}

void Admission::OnBig(Charge& charge, TimePoint now) {
  std::scoped_lock lock(mutex_);
  if (std::exchange(charge.apart, true)) return;
  const Part& part = parts_.at(charge.turn.flow);
  Model& model = ModelOf(part);
  model.waiting[Index(charge.turn.lane)].Add(part.client, -std::exchange(charge.work, 0));
  --model.here;
  model.served.OnDone(0, model.Busy(), now);
}

void Admission::OnStarted(const Charge& charge) {
  std::scoped_lock lock(mutex_);
  Part& part = parts_.at(charge.turn.flow);
  LaneOrder& order = OrderOf(part.kind, charge.turn.lane);
  order.now = std::max(order.now, charge.turn.rank);
  if (std::exchange(part.running, true)) return;
  ++ModelOf(part).running[Index(part.lane)];
}

void Admission::OnEnded(const Charge& charge, const Served& served, TimePoint now) {
  std::scoped_lock lock(mutex_);
  if (charge.apart) return;
  const Part& part = parts_.at(charge.turn.flow);
  Model& model = ModelOf(part);
  model.waiting[Index(charge.turn.lane)].Add(part.client, -charge.work);
  if (charge.fetching) {
    model.fetching.Add(part.client, -1);
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

void Admission::OnLeft(Ticket& ticket, TimePoint now) {
  std::scoped_lock lock(mutex_);
  ForParts(ticket, [&](Part& part) {
    if (!std::exchange(part.left, true)) LearnPatience(ModelOf(part), part, now);
  });
}

void Admission::Close(Ticket& ticket) {
  std::scoped_lock lock(mutex_);
  ForParts(ticket, [&](Part& part) {
    Model& model = ModelOf(part);
    Announce(part, -part.announced);
    Unrank(part);
    --model.requests[Index(part.lane)];
    if (part.running) --model.running[Index(part.lane)];
  });
  for (const uint64_t id : ticket.parts_) parts_.erase(id);
}

Clock::duration Ticket::RestFromDecode(ItemKind kind) const {
  return std::chrono::microseconds(admission_->ModelAt(model_, kind).rest_from_decode_us.load());
}

Clock::duration Ticket::RestFromEncode(ItemKind kind) const {
  return std::chrono::microseconds(admission_->ModelAt(model_, kind).rest_from_encode_us.load());
}

ModelState Admission::State(int index, ItemKind kind, TimePoint now) {
  std::scoped_lock lock(mutex_);
  ForgetSilent(now);
  Model& model = ModelAt(index, kind);
  ModelState state;
  state.items_per_second = model.served.PerSecond(now);
  for (const Lane lane : {Lane::kInteractive, Lane::kBulk}) {
    LaneState& row = state.lanes[Index(lane)];
    row.items = model.waiting[Index(lane)].total();
    const double rate = RatePerSecond(model, lane, now);
    row.wait_s = rate > 0 ? row.items / rate : 0;
    const bool limited = options_.max_wait[Index(lane)] != Clock::duration::max();
    row.max_wait_s = limited ? Patience(model, lane, now) : 0;
    row.running = model.running[Index(lane)];
    row.waiting = model.requests[Index(lane)] - row.running;
  }
  return state;
}

Ticket::~Ticket() { admission_->Close(*this); }

Charge Ticket::Add(ItemKind kind, uint64_t bytes, bool by_reference, TimePoint now) {
  return admission_->Add(*this, kind, bytes, by_reference, now);
}

void Ticket::Expect(double images) { admission_->Expect(*this, images); }

void Ticket::Skip() { admission_->Skip(*this); }

void Ticket::Finish() { admission_->Finish(*this); }

void Ticket::OnFetched(Charge& charge, uint64_t bytes, TimePoint now) {
  admission_->OnFetched(charge, bytes, now);
}

void Ticket::OnBig(Charge& charge, TimePoint now) { admission_->OnBig(charge, now); }

void Ticket::OnStarted(const Charge& charge) { admission_->OnStarted(charge); }

void Ticket::OnEnded(const Charge& charge, const Served& served, TimePoint now) {
  admission_->OnEnded(charge, served, now);
}

void Ticket::OnLeft(TimePoint now) { admission_->OnLeft(*this, now); }

}  // namespace photovec::pipeline
