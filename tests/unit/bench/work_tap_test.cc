// SPDX-License-Identifier: MIT
#include "bench/work_tap.h"

#include <gtest/gtest.h>

#include <chrono>

namespace photovec::bench {
namespace {

using std::chrono::milliseconds;

pipeline::RequestResult Encoded(TimePoint begin, TimePoint end, int images) {
  pipeline::RequestResult result;
  for (int i = 0; i < images; ++i) {
    pipeline::ItemResult item;
    item.times.MarkAt(Border::kEncodeStart, begin);
    item.times.MarkAt(Border::kEncodeEnd, end);
    result.items.push_back(std::move(item));
  }
  return result;
}

// Two streams whose batches of 32 take 100 ms each and are out of step: 640 images/s whatever the window.
TEST(WorkTap, CountsPartsOfBatchesAtTheBorders) {
  WorkTap tap;
  const TimePoint zero = Clock::now();
  for (int batch = 0; batch < 20; ++batch) {
    const TimePoint even = zero + milliseconds(100 * batch);
    tap.Record(Encoded(even, even + milliseconds(100), 32));
    const TimePoint odd = zero + milliseconds(100 * batch + 37);
    tap.Record(Encoded(odd, odd + milliseconds(100), 32));
  }
  for (const int offset : {200, 213, 250, 299}) {
    const TimePoint begin = zero + milliseconds(offset);
    EXPECT_NEAR(tap.ImagesBetween(begin, begin + milliseconds(1000)), 640, 0.01) << offset;
  }
  EXPECT_EQ(tap.requests(), 40);
  tap.Clear();
  EXPECT_EQ(tap.ImagesBetween(zero, zero + milliseconds(1000)), 0);
}

TEST(WorkTap, FailuresAreCountedAndGiveNoWork) {
  WorkTap tap;
  pipeline::RequestResult result;
  result.items.resize(1);
  result.items[0].status = {Code::kImageCorrupt, "cut"};
  tap.Record(result);
  EXPECT_EQ(tap.failed(), 1);
  EXPECT_EQ(tap.ImagesBetween(TimePoint{}, TimePoint::max()), 0);
}

}  // namespace
}  // namespace photovec::bench
