// SPDX-License-Identifier: MIT
#include "base/allocator.h"

#include <malloc.h>

#include <algorithm>
#include <chrono>

#include "base/machine.h"

namespace photovec {
namespace {

constexpr int kMapFrom = 256 * 1024;
constexpr int kTrimFrom = 4 << 20;
constexpr int kArenas = 4;

constexpr auto kEvery = std::chrono::seconds(1);
constexpr uint64_t kWorthIt = 8 << 20;  // less than that is not worth the walk

}  // namespace

void TuneAllocator() {
  // Setting the first two also stops malloc from raising them by itself to what was freed last.
  mallopt(M_MMAP_THRESHOLD, kMapFrom);
  mallopt(M_TRIM_THRESHOLD, kTrimFrom);
  mallopt(M_ARENA_MAX, kArenas);
}

void MemoryReturn::Look(uint64_t in_use, TimePoint now) {
  peak_ = std::max(peak_, in_use);
  if (now < next_) return;
  next_ = now + kEvery;
  if (peak_ < kWorthIt || in_use > peak_ / 2) return;
  peak_ = in_use;
  if (ResidentBytes() < floor_ + kWorthIt) return;
  malloc_trim(0);
  floor_ = ResidentBytes();
}

}  // namespace photovec
