// SPDX-License-Identifier: MIT
#include "decode/sandbox/respawn.h"

#include <algorithm>

namespace photovec::decode {

void Respawn::DiedOnImage(TimePoint now) {
  deaths_.push_back(now);
  while (deaths_.front() + kWindow < now) deaths_.pop_front();
  if (deaths_.size() > kFreeDeaths) Pause(now, kFirstPause);
}

void Respawn::FailedToStart(TimePoint now) {
  Clock::duration pause = kFirstPause;
  for (int i = 0; i < failed_starts_ && pause < kLongestPause; ++i) pause *= 2;
  ++failed_starts_;
  Pause(now, std::min<Clock::duration>(pause, kLongestPause));
}

void Respawn::Pause(TimePoint now, Clock::duration pause) {
  std::uniform_real_distribution<double> jitter(0.5, 1.0);
  next_ = std::max(next_, now + std::chrono::duration_cast<Clock::duration>(pause * jitter(random_)));
}

}  // namespace photovec::decode
