// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace photovec {

/// Sets malloc up for a server: blocks from 256 KiB on (bodies, documents, replies) are mapped each by itself
/// and go back to the system when they are freed, and threads share a few arenas. Call it before any thread
/// is started.
void TuneAllocator();

/// Gives memory back to the system after a storm. malloc keeps small blocks that were freed for the next one;
/// they are given back when the process holds notably more than at rest and its work together. One thread.
class MemoryReturn {
 public:
  /// Call it some times a second. It gives back at most every 2 s: a walk over malloc's free blocks, some
  /// ms, during which others may wait for an arena.
  /// \param in_use bytes that work holds now (MemoryBudget::used).
  void Look(uint64_t in_use, TimePoint now);

 private:
  TimePoint next_{};
  uint64_t rest_ = 0;            // resident bytes beside the work, when memory was given back last
  int again_ = 0;                // walks still to do
  uint64_t least_ = UINT64_MAX;  // of what was ever seen beside the work
  TimePoint last_walk_{};
};

}  // namespace photovec
