// SPDX-License-Identifier: MIT
#include "batch/batcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "unit/batch/fake_client.h"

namespace photovec::batch {
namespace {

using ::testing::ElementsAre;
using testing::FakeClient;
using testing::MakeReady;
using testing::MakeSlots;
using testing::MakeText;
using testing::TextOf;

std::vector<std::string> Texts(const std::vector<Ready>& items) {
  std::vector<std::string> texts;
  for (const Ready& item : items) texts.push_back(TextOf(item));
  return texts;
}

BatchLimits Images(int items, int brief) { return {BatchLimit{items, brief}, BatchLimit{}}; }
BatchLimits Both(BatchLimit images, BatchLimit texts) { return {images, texts}; }

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

class TextBatcherTest : public BatcherTest {
 protected:
  void PushText(Batcher& batcher, const std::string& text, Lane lane = Lane::kInteractive) {
    batcher.Push({.lane = lane, .flow = 9}, MakeText(text));
  }
  static constexpr BatchLimit kFour{4, 4};
};

TEST_F(TextBatcherTest, TextsGoFirstAndABatchIsOfOneKind) {
  Batcher batcher;
  Push(batcher, 1, "a");
  PushText(batcher, "cat");
  PushText(batcher, "dog");
  ASSERT_TRUE(batcher.Take(Both(kFour, kFour), true, out_));
  EXPECT_THAT(Texts(out_), ElementsAre("~cat", "~dog"));
  ASSERT_TRUE(batcher.Take(Both(kFour, kFour), true, out_));
  EXPECT_THAT(Texts(out_), ElementsAre("a"));
}

TEST_F(TextBatcherTest, WhileBothWaitTheyTakeTurns) {
  Batcher batcher;
  for (const char* photo : {"a", "b", "c"}) Push(batcher, 1, photo);
  for (const char* text : {"1", "2", "3"}) PushText(batcher, text);
  std::vector<std::string> order;
  for (int i = 0; i < 6; ++i) {
    ASSERT_TRUE(batcher.Take(Both({1, 1}, {1, 1}), true, out_));
    order.push_back(Texts(out_).at(0));
  }
  EXPECT_THAT(order, ElementsAre("~1", "a", "~2", "b", "~3", "c"));
  PushText(batcher, "4");
  ASSERT_TRUE(batcher.Take(Both({1, 1}, {1, 1}), true, out_));
  Push(batcher, 1, "d");
  PushText(batcher, "5");
  ASSERT_TRUE(batcher.Take(Both({1, 1}, {1, 1}), true, out_));
  EXPECT_THAT(Texts(out_), ElementsAre("~5")) << "no image waited for the text before";
}

TEST_F(TextBatcherTest, AStreamThatTakesTextsAloneDoesNotGiveUpTheImagesTurn) {
  Batcher batcher;
  Push(batcher, 1, "a");
  for (const char* text : {"1", "2", "3"}) PushText(batcher, text);
  const BatchLimits alone = Both({}, {1, 1});
  ASSERT_TRUE(batcher.Take(Both({1, 1}, {1, 1}), true, out_));
  ASSERT_TRUE(batcher.Take(alone, true, out_));
  EXPECT_THAT(Texts(out_), ElementsAre("~2"));
  ASSERT_TRUE(batcher.Take(Both({1, 1}, {1, 1}), true, out_));
  EXPECT_THAT(Texts(out_), ElementsAre("a"));
  ASSERT_TRUE(batcher.Take(alone, true, out_));
  Push(batcher, 1, "b");
  EXPECT_TRUE(batcher.Take(alone, false, out_));
  EXPECT_TRUE(out_.empty()) << "an image is none of its business";
  batcher.Close();
  EXPECT_FALSE(batcher.Take(alone, true, out_));
  EXPECT_TRUE(batcher.Take(Images(1, 1), true, out_)) << "somebody else takes it";
}

TEST_F(TextBatcherTest, TokensBoundABatchInOrder) {
  Batcher batcher;
  for (const char* text : {"12345", "123", "1234", "1"}) PushText(batcher, text);
  const BatchLimits limits = Both(kFour, {4, 4, 8});
  ASSERT_TRUE(batcher.Take(limits, true, out_));
  EXPECT_THAT(Texts(out_), ElementsAre("~12345", "~123"));
  ASSERT_TRUE(batcher.Take(limits, true, out_));
  EXPECT_THAT(Texts(out_), ElementsAre("~1234", "~1"));
}

TEST_F(TextBatcherTest, ImagesKeepTheirBatchesShortWhileTextsCome) {
  Batcher batcher;
  for (const char* photo : {"a", "b", "c", "d"}) Push(batcher, 1, photo);
  const BatchLimits limits = Both({4, 2}, kFour);
  PushText(batcher, "bulk", Lane::kBulk);
  ASSERT_TRUE(batcher.Take(limits, true, out_));
  ASSERT_TRUE(batcher.Take(limits, true, out_));
  EXPECT_EQ(out_.size(), 4U) << "nobody waits for a text of the bulk lane";
  for (const char* photo : {"a", "b", "c", "d"}) Push(batcher, 1, photo);
  PushText(batcher, "cat");
  ASSERT_TRUE(batcher.Take(limits, true, out_));
  ASSERT_TRUE(batcher.Take(limits, true, out_));
  EXPECT_THAT(Texts(out_), ElementsAre("a", "b"));
}

TEST_F(TextBatcherTest, BulkTextsKeepShortWhileImagesCome) {
  Batcher batcher;
  for (const char* text : {"1", "2", "3", "4"}) PushText(batcher, text, Lane::kBulk);
  Push(batcher, 1, "a");
  ASSERT_TRUE(batcher.Take(Both(kFour, {4, 2}), true, out_));
  EXPECT_THAT(Texts(out_), ElementsAre("~1", "~2"));
}

TEST_F(TextBatcherTest, UnwantedTextsAreDropped) {
  Batcher batcher;
  auto unwanted = std::make_shared<FakeClient>();
  unwanted->wanted = false;
  batcher.Push({.flow = 1}, MakeText("gone", unwanted));
  PushText(batcher, "kept");
  ASSERT_TRUE(batcher.Take(Both(kFour, kFour), true, out_));
  EXPECT_THAT(Texts(out_), ElementsAre("~kept"));
  EXPECT_TRUE(unwanted->Get().dropped);
}

// Each push must wake a stream that takes its kind, however the streams' sleeps and wakes fall.
TEST_F(TextBatcherTest, NoPushIsSlept) {
  Batcher batcher;
  std::atomic<int> images = 0, texts = 0;
  const auto run = [&](const BatchLimits& limits) {
    std::vector<Ready> out;
    while (batcher.Take(limits, true, out)) {
      for (const Ready& item : out) ++(item.kind() == ItemKind::kText ? texts : images);
    }
  };
  auto mixed = std::async(std::launch::async, run, Both({1, 1}, {1, 1}));
  auto alone = std::async(std::launch::async, run, Both({}, {1, 1}));
  for (int i = 1; i <= 2000; ++i) {
    Push(batcher, 1, "a");
    while (images < i) std::this_thread::yield();
    PushText(batcher, "t");
    while (texts < i) std::this_thread::yield();
  }
  batcher.Close();
  mixed.get();
  alone.get();
}

}  // namespace
}  // namespace photovec::batch
