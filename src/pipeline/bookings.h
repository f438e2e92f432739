// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <tuple>
#include <utility>

#include "base/clock.h"

namespace photovec::pipeline {

/// Those who were refused and told when to come back. Whoever comes at that time is known by its key, which
/// must be the same then, and is let in before others: so a client that obeys gets in. It also keeps a crowd
/// from coming back at one moment: the next one is told to come after those who are expected already. Not all
/// do come; the share that does is learnt. Bounded; O(log n). Not thread-safe.
class Bookings {
 public:
  static constexpr size_t kMost = 16'384;

  /// \param work what it will bring.
  void Book(uint64_t key, double work, TimePoint now, TimePoint due);
  /// True when one with this key was told to come now; it is expected no longer.
  bool Claim(uint64_t key, TimePoint now);
  /// How much work of those who were told to come is still to be expected.
  double Expected(TimePoint now);
  size_t size() const { return by_end_.size(); }

 private:
  struct Booking {
    uint64_t key = 0;
    double work = 0;
    TimePoint due;
  };
  using ByEnd = std::map<std::pair<TimePoint, uint64_t>, Booking>;  // when it is given up, and its number
  using Due = std::tuple<uint64_t, TimePoint, uint64_t>;            // key, due, number

  void Expire(TimePoint now);
  void Learn(double kept);
  void Erase(ByEnd::iterator booking);

  ByEnd by_end_;
  std::map<Due, ByEnd::iterator> by_key_;
  uint64_t last_number_ = 0;
  double work_ = 0;
  double kept_share_ = 1;
};

}  // namespace photovec::pipeline
