// SPDX-License-Identifier: MIT
#include "api/request_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

namespace photovec::api {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;
using testing::ElementsAre;

TEST(ToRecordTest, HasEverythingOfTheRequest) {
  RequestTiming timing;
  timing.Add(HttpStage::kReceive, 310);
  timing.Add(HttpStage::kParse, 40);
  timing.Add(HttpStage::kSerialise, 120);
  timing.Stop();
  const TimePoint opened = timing.started() + microseconds(350);
  pipeline::RequestResult result;
  result.items.resize(2);
  pipeline::ItemResult& good = result.items[0];
  for (int i = 0; i < kBorderCount; ++i) {
    good.times.MarkAt(static_cast<Border>(i), opened + microseconds(10 * i));
  }
  good.trail = {true, 151'234, 1, decode::JpegBy::kOwn, 2, 345, 8, true, true};
  pipeline::ItemResult& bad = result.items[1];
  bad.status = Status(Code::kImageCorrupt, "no matter");
  bad.times.MarkAt(Border::kAdmitted, opened + microseconds(3));
  bad.times.MarkAt(Border::kCollected, opened + microseconds(5));
  result.finished = opened + microseconds(80);

  const request_log::Record record = ToRecord({"clip", "/embed", 200, timing, opened, &result});
  EXPECT_EQ(record.model, "clip");
  EXPECT_EQ(record.route, "/embed");
  EXPECT_EQ(record.status, 200);
  EXPECT_EQ(record.started_us, MonotonicMicros(timing.started()));
  EXPECT_EQ(record.opened_us, 350);
  EXPECT_EQ(record.finished_us, 430);
  EXPECT_EQ(record.receive_us, 310);
  EXPECT_EQ(record.parse_us, 40);
  EXPECT_EQ(record.serialise_us, 120);
  EXPECT_EQ(record.total_us, timing.Micros(HttpStage::kTotal));
  EXPECT_FALSE(record.MeasuredBySteps());
  ASSERT_EQ(record.items.size(), 2U);
  const request_log::ItemRecord& first = record.items[0];
  EXPECT_EQ(first.code, "ok");
  EXPECT_TRUE(first.by_reference);
  EXPECT_EQ(first.bytes, 151'234);
  EXPECT_THAT(first.at_us, ElementsAre(350, 360, 370, 380, 390, 400, 410, 420, 430));
  EXPECT_EQ(first.decoder, 1);
  EXPECT_EQ(first.jpeg_by, "own");
  EXPECT_EQ(first.stream, 2);
  EXPECT_EQ(first.batch, 345);
  EXPECT_EQ(first.batch_size, 8);
  EXPECT_TRUE(first.cached);
  const request_log::ItemRecord& second = record.items[1];
  EXPECT_EQ(second.code, "image_corrupt");
  EXPECT_FALSE(second.by_reference);
  EXPECT_THAT(second.at_us, ElementsAre(353, -1, -1, -1, -1, -1, -1, -1, 355));
  EXPECT_EQ(second.decoder, -1);
  EXPECT_EQ(second.stream, -1);
  EXPECT_EQ(second.batch, -1);
  EXPECT_EQ(second.batch_size, 0);
  EXPECT_FALSE(second.cached);
}

TEST(ToRecordTest, ARequestThatWasGivenUpHasNoItems) {
  const RequestTiming timing;
  const auto record = ToRecord({"", "/embed", 499, timing, TimePoint{}, nullptr});
  EXPECT_EQ(record.status, 499);
  EXPECT_EQ(record.opened_us, -1);
  EXPECT_EQ(record.finished_us, -1);
  EXPECT_TRUE(record.items.empty());
}

TEST(ToRecordTest, TheSameMomentIsTheSameInEveryRecord) {
  const RequestTiming timing;
  const int64_t whole_us = MonotonicMicros(timing.started()) + 4'000'000;
  for (const int ns : {0, 1, 999}) {
    const TimePoint moment(microseconds(whole_us) + nanoseconds(ns));
    const auto record = ToRecord({"clip", "/embed", 200, timing, moment, nullptr});
    EXPECT_EQ(record.started_us + record.opened_us, whole_us) << ns;
  }
}

}  // namespace
}  // namespace photovec::api
