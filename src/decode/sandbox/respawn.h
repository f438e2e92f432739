// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <deque>
#include <random>

#include "base/deadline.h"

namespace photovec::decode {

/// When the next worker may be started. At once, as long as no more than eight died in ten seconds (a bad
/// photo costs two, three if it was one of a pair); beyond that after a pause, jittered by half so that
/// several servers do not beat in time. A worker that could not even start doubles the pause, from 0.1 to
/// 30 s: something is wrong with the machine. One that died on an image does not: otherwise six bad photos
/// would stop everybody's decoding for half a minute. Not thread-safe.
class Respawn {
 public:
  static constexpr size_t kFreeDeaths = 8;
  static constexpr std::chrono::seconds kWindow{10};
  static constexpr std::chrono::milliseconds kFirstPause{100};
  static constexpr std::chrono::milliseconds kLongestPause{30'000};

  explicit Respawn(uint64_t seed) : random_(seed) {}

  void DiedOnImage(TimePoint now);
  void FailedToStart(TimePoint now);
  void Started() { failed_starts_ = 0; }
  /// Not before this.
  TimePoint next() const { return next_; }

 private:
  void Pause(TimePoint now, Clock::duration pause);
  std::minstd_rand random_;
  std::deque<TimePoint> deaths_;
  int failed_starts_ = 0;
  TimePoint next_{};
};

}  // namespace photovec::decode
