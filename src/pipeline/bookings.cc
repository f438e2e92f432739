// SPDX-License-Identifier: MIT
#include "pipeline/bookings.h"

#include <algorithm>
#include <chrono>

namespace photovec::pipeline {
namespace {

using std::chrono::milliseconds;

// Clocks and timers of clients are not exact.
constexpr milliseconds kEarly{20};
// How late one may come: that much, and a quarter of the time that it was to wait.
constexpr milliseconds kLate{1000};
constexpr double kLearnOver = 32;

}  // namespace

void Bookings::Book(uint64_t key, double work, TimePoint now, TimePoint due) {
  if (by_end_.size() >= kMost) Erase(by_end_.begin());
  const TimePoint end = due + kLate + std::max(Clock::duration::zero(), due - now) / 4;
  const uint64_t number = ++last_number_;
  const auto booking = by_end_.emplace(std::pair(end, number), Booking{key, work, due}).first;
  by_key_.emplace(Due{key, due, number}, booking);
  work_ += work;
}

bool Bookings::Claim(uint64_t key, TimePoint now) {
  Expire(now);
  const auto first = by_key_.lower_bound(Due{key, TimePoint::min(), 0});
  if (first == by_key_.end() || std::get<0>(first->first) != key) return false;
  if (std::get<1>(first->first) - kEarly > now) return false;
  Erase(first->second);
  Learn(1);
  return true;
}

double Bookings::Expected(TimePoint now) {
  Expire(now);
  return work_ * kept_share_;
}

void Bookings::Expire(TimePoint now) {
  while (!by_end_.empty() && by_end_.begin()->first.first < now) {
    Erase(by_end_.begin());
    Learn(0);
  }
}

void Bookings::Learn(double kept) { kept_share_ += (kept - kept_share_) / kLearnOver; }

void Bookings::Erase(ByEnd::iterator booking) {
  const Booking& gone = booking->second;
  work_ -= gone.work;
  by_key_.erase(Due{gone.key, gone.due, booking->first.second});
  by_end_.erase(booking);
  if (by_end_.empty()) work_ = 0;  // what rounding left
}

}  // namespace photovec::pipeline
