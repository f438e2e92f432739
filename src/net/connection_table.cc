// SPDX-License-Identifier: MIT
#include "net/connection_table.h"

#include <utility>

#include "base/check.h"

namespace photovec::net {

namespace intrusive = boost::intrusive;

/// Those that wait, the longest first, in two groups.
struct ConnectionTable::Waiting {
  template <ConnectionTable::Hook ConnectionTable::Slot::*kHook>
  using List = intrusive::list<Slot, intrusive::member_hook<Slot, Hook, kHook>>;

  List<&Slot::in_all_> fresh;
  List<&Slot::in_all_> served;

  Slot* Oldest() {
    auto& larger = fresh.size() > served.size() ? fresh : served;
    return larger.empty() ? nullptr : &larger.front();
  }
};

struct ConnectionTable::Address {
  using List = Waiting::List<&Slot::in_address_>;

  std::string name;
  size_t count = 0;
  size_t slots = 0;  // that point here
  List fresh;
  List served;

  Slot* Oldest() {
    auto& larger = fresh.size() > served.size() ? fresh : served;
    return larger.empty() ? nullptr : &larger.front();
  }
};

ConnectionTable::ConnectionTable(Limits limits, Counters counters)
    : limits_(limits), counters_(counters), all_(std::make_unique<Waiting>()) {}

ConnectionTable::~ConnectionTable() { PHOTOVEC_CHECK(slots_ == 0, "a connection outlives its table"); }

void ConnectionTable::Wait(Slot& slot, State state) {
  slot.state_ = state;
  const bool fresh = state == State::kNew;
  (fresh ? all_->fresh : all_->served).push_back(slot);
  if (slot.address_ != nullptr) (fresh ? slot.address_->fresh : slot.address_->served).push_back(slot);
}

void ConnectionTable::Unlist(Slot& slot) {
  if (slot.state_ != State::kNew && slot.state_ != State::kServed) return;
  const bool fresh = slot.state_ == State::kNew;
  auto& all = fresh ? all_->fresh : all_->served;
  all.erase(all.iterator_to(slot));
  if (slot.address_ == nullptr) return;
  auto& own = fresh ? slot.address_->fresh : slot.address_->served;
  own.erase(own.iterator_to(slot));
}

void ConnectionTable::Forget(Slot& slot) {
  --charged_;
  if (slot.address_ != nullptr) --slot.address_->count;
  if (counters_.open != nullptr) counters_.open->Set(static_cast<double>(charged_));
}

void ConnectionTable::Evict(Slot& slot) {
  Unlist(slot);
  slot.state_ = State::kEvicted;
  Forget(slot);
  if (counters_.evicted != nullptr) counters_.evicted->Add();
  if (slot.evict_) slot.evict_();
}

std::unique_ptr<ConnectionTable::Slot> ConnectionTable::Enter(const std::string& address) {
  std::scoped_lock lock(mutex_);
  Address* own = nullptr;
  if (!address.empty() && limits_.per_address > 0) {
    auto& entry = addresses_[address];
    if (!entry) {
      entry = std::make_unique<Address>();
      entry->name = address;
    }
    own = entry.get();
  }
  Slot* victim = nullptr;
  bool room = true;
  if (own != nullptr && own->count >= limits_.per_address) {
    victim = own->Oldest();
    room = victim != nullptr;
  } else if (charged_ >= limits_.total) {
    victim = all_->Oldest();
    room = victim != nullptr;
  }
  if (!room) {
    if (own != nullptr && own->slots == 0) addresses_.erase(address);
    if (counters_.refused != nullptr) counters_.refused->Add();
    return nullptr;
  }
  if (victim != nullptr) Evict(*victim);
  std::unique_ptr<Slot> slot(new Slot(*this, own));
  ++slots_;
  ++charged_;
  if (own != nullptr) {
    ++own->count;
    ++own->slots;
  }
  Wait(*slot, State::kNew);
  if (counters_.open != nullptr) counters_.open->Set(static_cast<double>(charged_));
  return slot;
}

bool ConnectionTable::EvictOne() {
  std::scoped_lock lock(mutex_);
  Slot* victim = all_->Oldest();
  if (victim != nullptr) Evict(*victim);
  return victim != nullptr;
}

void ConnectionTable::Leave(Slot& slot) {
  std::scoped_lock lock(mutex_);
  Unlist(slot);
  if (slot.state_ != State::kEvicted) Forget(slot);
  if (slot.address_ != nullptr && --slot.address_->slots == 0)
    addresses_.erase(std::string(slot.address_->name));
  if (--slots_ == 0) empty_.notify_all();
}

size_t ConnectionTable::size() const {
  std::scoped_lock lock(mutex_);
  return slots_;
}

bool ConnectionTable::WaitEmpty(Deadline deadline) const {
  std::unique_lock lock(mutex_);
  const auto empty = [this] { return slots_ == 0; };
  if (!deadline.infinite()) return empty_.wait_until(lock, deadline.at(), empty);
  empty_.wait(lock, empty);
  return true;
}

bool ConnectionTable::Slot::Attach(std::function<void()> evict) {
  std::scoped_lock lock(table_.mutex_);
  if (state_ == State::kEvicted) return false;
  evict_ = std::move(evict);
  return true;
}

bool ConnectionTable::Slot::BeginWork() {
  std::scoped_lock lock(table_.mutex_);
  if (state_ == State::kEvicted) return false;
  table_.Unlist(*this);
  state_ = State::kWorks;
  return true;
}

void ConnectionTable::Slot::EndWork() {
  std::scoped_lock lock(table_.mutex_);
  if (state_ == State::kWorks) table_.Wait(*this, State::kServed);
}

}  // namespace photovec::net
