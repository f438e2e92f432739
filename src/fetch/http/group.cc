// SPDX-License-Identifier: MIT
#include "fetch/http/group.h"

#include <algorithm>

namespace photovec::fetch {
namespace {

constexpr double kHedgesPerSuccess = 0.02;
constexpr double kMostHedgesSaved = 4;
constexpr size_t kRecomputeEvery = 32;

}  // namespace

void Group::OnSuccess(Clock::duration took, bool after_retry) {
  if (limit_ < cap_) ++limit_;
  budget.OnSuccess(after_retry);
  hedges_ = std::min(kMostHedgesSaved, hedges_ + kHedgesPerSuccess);
  took_[successes_ % kWindow] = took;
  ++successes_;
  if (successes_ >= kFewest && successes_ % kRecomputeEvery == 0) Recompute();
}

void Group::Recompute() {
  std::array<Clock::duration, kWindow> sorted = took_;
  const size_t count = std::min(successes_, kWindow);
  const auto at = sorted.begin() + static_cast<std::ptrdiff_t>(count * 95 / 100);
  std::nth_element(sorted.begin(), at, sorted.begin() + static_cast<std::ptrdiff_t>(count));
  hedge_after_ = *at;
}

bool Group::TakeHedge() {
  if (hedges_ < 1) return false;
  hedges_ -= 1;
  return true;
}

}  // namespace photovec::fetch
