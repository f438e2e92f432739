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

constexpr auto kEvery = std::chrono::seconds(2);
constexpr int kAgain = 4;               // what is freed after a walk does not show: look a few times more
constexpr uint64_t kWorthIt = 4 << 20;  // less than that is not worth the walk
// Connections are no work, and leave when they like: what they took is looked for while notably more is held
// than at rest.
constexpr auto kNowAndThen = std::chrono::seconds(8);
constexpr uint64_t kNotable = 8 << 20;

}  // namespace

void TuneAllocator() {
  // Setting the first two also stops malloc from raising them by itself to what was freed last.
  mallopt(M_MMAP_THRESHOLD, kMapFrom);
  mallopt(M_TRIM_THRESHOLD, kTrimFrom);
  mallopt(M_ARENA_MAX, kArenas);
}

void MemoryReturn::Look(uint64_t in_use, TimePoint now) {
  if (now < next_) return;
  next_ = now + kEvery;
  const auto beside_work = [in_use] {
    const uint64_t resident = ResidentBytes();
    return resident - std::min(resident, in_use);
  };
  const uint64_t beside = beside_work();
  least_ = std::min(least_, beside);
  if (beside >= rest_ + std::max(kWorthIt, rest_ / 32)) again_ = kAgain;
  if (again_ == 0 && now - last_walk_ > kNowAndThen && beside > least_ + std::max(kNotable, least_ / 16))
    again_ = 1;
  if (again_ == 0) {
    rest_ = std::min(rest_, beside);
    return;
  }
  --again_;
  malloc_trim(0);
  last_walk_ = now;
  rest_ = beside_work();
}

}  // namespace photovec
