// SPDX-License-Identifier: MIT
#include "batch/batcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <string>
#include <vector>

#include "unit/batch/fake_client.h"

namespace photovec::batch {
namespace {

using ::testing::ElementsAre;
using testing::FakeClient;
using testing::MakeReady;
using testing::MakeSlots;
using testing::TextOf;

std::vector<std::string> Texts(const std::vector<Ready>& items) {
  std::vector<std::string> texts;
  for (const Ready& item : items) texts.push_back(TextOf(item));
  return texts;
}

BatchLimits Images(int items, int brief) { return {BatchLimit{items, brief}, BatchLimit{}}; }

class BatcherTest : public ::testing::Test {
 protected:
  void Push(Batcher& batcher, uint64_t flow, const std::string& text) {
    batcher.Push({.flow = flow}, MakeReady(*slots_, text));
  }
  std::unique_ptr<SlotPool> slots_ = MakeSlots(32);
  std::vector<Ready> out_;
};

TEST_F(BatcherTest, TakesWhatIsReadyUpToTheLimit) {
  Batcher batcher;
  for (const char* text : {"a", "b", "c"}) Push(batcher, 1, text);
  EXPECT_EQ(batcher.depth(ItemKind::kImage), 3U);
  ASSERT_TRUE(batcher.Take(Images(2, 2), true, out_));
  EXPECT_THAT(Texts(out_), ElementsAre("a", "b"));
  ASSERT_TRUE(batcher.Take(Images(2, 2), true, out_));
  EXPECT_THAT(Texts(out_), ElementsAre("c"));
  EXPECT_EQ(batcher.depth(ItemKind::kImage), 0U);
}

TEST_F(BatcherTest, IsFairBetweenFlowsAndFifoWithinOne) {
  Batcher batcher;
  for (const char* text : {"a1", "a2", "a3", "a4"}) Push(batcher, 1, text);
  for (const char* text : {"b1", "b2"}) Push(batcher, 2, text);
  Push(batcher, 3, "c1");
  ASSERT_TRUE(batcher.Take(Images(5, 5), true, out_));
  EXPECT_THAT(Texts(out_), ElementsAre("a1", "b1", "c1", "a2", "b2"));
}

TEST_F(BatcherTest, KeepsBulkShortWhileTheOtherLaneIsInUse) {
  Batcher batcher;
  const auto push_bulk = [&](const char* text) {
    batcher.Push({.lane = Lane::kBulk, .flow = 2}, MakeReady(*slots_, text));
  };
  for (const char* text : {"b1", "b2", "b3"}) push_bulk(text);
  ASSERT_TRUE(batcher.Take(Images(8, 1), true, out_));
  EXPECT_THAT(Texts(out_), ElementsAre("b1", "b2", "b3")) << "alone it has the whole batch";
  for (const char* text : {"b4", "b5", "b6"}) push_bulk(text);
  for (const char* text : {"i1", "i2"}) Push(batcher, 1, text);
  ASSERT_TRUE(batcher.Take(Images(8, 1), true, out_));
  EXPECT_THAT(Texts(out_), ::testing::UnorderedElementsAre("b4", "i1", "i2"));
  ASSERT_TRUE(batcher.Take(Images(8, 1), true, out_));
  EXPECT_THAT(Texts(out_), ElementsAre("b5")) << "the next photo of the other lane may come at any time";
}

TEST_F(BatcherTest, WithoutBlockingReturnsAtOnce) {
  Batcher batcher;
  out_.resize(3);
  EXPECT_TRUE(batcher.Take(Images(4, 4), false, out_));
  EXPECT_TRUE(out_.empty());
  batcher.Close();
  EXPECT_FALSE(batcher.Take(Images(4, 4), false, out_));
}

TEST_F(BatcherTest, WhatIsInsideAtCloseStillComesOut) {
  Batcher batcher;
  Push(batcher, 1, "a");
  batcher.Close();
  ASSERT_TRUE(batcher.Take(Images(4, 4), true, out_));
  EXPECT_THAT(Texts(out_), ElementsAre("a"));
  EXPECT_FALSE(batcher.Take(Images(4, 4), true, out_));
}

TEST_F(BatcherTest, CloseWakesAWaitingStream) {
  Batcher batcher;
  auto taken = std::async(std::launch::async, [&] { return batcher.Take(Images(4, 4), true, out_); });
  batcher.Close();
  EXPECT_FALSE(taken.get());
}

TEST_F(BatcherTest, DropsTheUnwantedAndFreesTheirSlots) {
  Batcher batcher;
  auto unwanted = std::make_shared<FakeClient>();
  unwanted->wanted = false;
  batcher.Push({.flow = 1}, MakeReady(*slots_, "gone", unwanted));
  Push(batcher, 1, "kept");
  ASSERT_TRUE(batcher.Take(Images(1, 1), true, out_));
  EXPECT_THAT(Texts(out_), ElementsAre("kept")) << "a dropped item must not use up a place in the batch";
  EXPECT_TRUE(unwanted->Get().dropped);
  EXPECT_EQ(slots_->available(), slots_->count() - 1);
}

TEST_F(BatcherTest, GoesOnWaitingWhenAllWereUnwanted) {
  Batcher batcher;
  auto unwanted = std::make_shared<FakeClient>();
  unwanted->wanted = false;
  batcher.Push({.flow = 1}, MakeReady(*slots_, "gone", unwanted));
  auto taken = std::async(std::launch::async, [&] { return batcher.Take(Images(4, 4), true, out_); });
  EXPECT_TRUE(unwanted->Get().dropped);
  Push(batcher, 1, "wanted");
  ASSERT_TRUE(taken.get());
  EXPECT_THAT(Texts(out_), ElementsAre("wanted"));
}

TEST_F(BatcherTest, WaitsForMoreOnlyWhenAskedTo) {
  Batcher batcher(std::chrono::hours(1));
  Push(batcher, 1, "a");
  auto taken = std::async(std::launch::async, [&] { return batcher.Take(Images(3, 3), true, out_); });
  Push(batcher, 1, "b");
  Push(batcher, 2, "c");
  ASSERT_TRUE(taken.get()) << "a full batch ends the wait";
  EXPECT_EQ(out_.size(), 3U);
  Push(batcher, 1, "d");
  taken = std::async(std::launch::async, [&] { return batcher.Take(Images(3, 3), true, out_); });
  batcher.Close();
  ASSERT_TRUE(taken.get()) << "closing ends the wait";
  EXPECT_THAT(Texts(out_), ElementsAre("d"));
}

TEST_F(BatcherTest, TheWaitForMoreEnds) {
  Batcher batcher(std::chrono::milliseconds(1));
  Push(batcher, 1, "a");
  ASSERT_TRUE(batcher.Take(Images(3, 3), true, out_));
  EXPECT_THAT(Texts(out_), ElementsAre("a"));
}

}  // namespace
}  // namespace photovec::batch
