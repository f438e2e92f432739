// SPDX-License-Identifier: MIT
#include "bench/work_tap.h"

#include <algorithm>
#include <chrono>

namespace photovec::bench {

void WorkTap::Record(const pipeline::RequestResult& result) {
  std::scoped_lock lock(mutex_);
  ++requests_;
  for (const pipeline::ItemResult& item : result.items) {
    stages_.Add(item.status, item.times);
    if (item.times.Has(Border::kEncodeStart) && item.times.Has(Border::kEncodeEnd)) {
      spans_.push_back({item.times.At(Border::kEncodeStart), item.times.At(Border::kEncodeEnd)});
    }
  }
}

double WorkTap::ImagesBetween(TimePoint begin, TimePoint end) const {
  std::scoped_lock lock(mutex_);
  double images = 0;
  for (const Span& span : spans_) {
    const auto inside = std::min(span.end, end) - std::max(span.begin, begin);
    const auto whole = std::max(span.end - span.begin, Clock::duration(1));
    if (inside > Clock::duration::zero()) {
      images += std::chrono::duration<double>(inside) / std::chrono::duration<double>(whole);
    }
  }
  return images;
}

int64_t WorkTap::failed() const {
  std::scoped_lock lock(mutex_);
  return stages_.failed();
}

int64_t WorkTap::requests() const {
  std::scoped_lock lock(mutex_);
  return requests_;
}

void WorkTap::Clear() {
  std::scoped_lock lock(mutex_);
  spans_.clear();
  stages_ = bulk::StageSummary();
  requests_ = 0;
}

bulk::StageSummary WorkTap::TakeStages() {
  std::scoped_lock lock(mutex_);
  return std::exchange(stages_, bulk::StageSummary());
}

}  // namespace photovec::bench
