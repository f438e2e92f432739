// SPDX-License-Identifier: MIT
#include "batch/streams.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "unit/batch/fake_client.h"
#include "unit/batch/fake_encoder.h"

namespace photovec::batch {
namespace {

using ::testing::ElementsAre;
using testing::FakeClient;
using testing::FakeEncoder;
using ::testing::HasSubstr;
using testing::MakeReady;
using testing::MakeSlots;

// Collects events; copied into hooks by reference.
struct Recorder {
  std::mutex mutex;
  std::vector<BatchEvent> events;
  std::vector<Status> failures;
  std::vector<int> lost;

  StreamsHooks Hooks() {
    StreamsHooks hooks;
    hooks.on_batch = [this](const BatchEvent& event) {
      std::scoped_lock lock(mutex);
      events.push_back(event);
    };
    hooks.on_device_failure = [this](const Status& status) {
      std::scoped_lock lock(mutex);
      failures.push_back(status);
    };
    hooks.on_stream_lost = [this](int stream, const Status&) {
      std::scoped_lock lock(mutex);
      lost.push_back(stream);
    };
    return hooks;
  }
};

class StreamsTest : public ::testing::Test {
 protected:
  std::shared_ptr<FakeClient> Push(const std::string& text, uint64_t flow = 1) {
    auto client = std::make_shared<FakeClient>();
    batcher_.Push({.flow = flow}, MakeReady(*slots_, text, client));
    return client;
  }
  std::unique_ptr<SlotPool> slots_ = MakeSlots(64);
  Batcher batcher_;
  Recorder recorder_;
};

TEST_F(StreamsTest, EachClientGetsItsRow) {
  FakeEncoder encoder(4);
  auto a = Push("a");
  auto bb = Push("bb");
  { const Streams streams(encoder, batcher_, recorder_.Hooks()); }
  const auto outcome = a->Get();
  EXPECT_TRUE(outcome.status.ok());
  EXPECT_THAT(outcome.row, ElementsAre(1.0F, 97.0F, 3.0F, 4.0F));
  EXPECT_THAT(bb->Get().row, ElementsAre(2.0F, 98.0F, 3.0F, 4.0F));
  EXPECT_NE(a->taken.at, TimePoint{});
  EXPECT_GE(outcome.at, a->taken.at);
  EXPECT_EQ(slots_->available(), slots_->count());
  ASSERT_EQ(recorder_.events.size(), 1U);
  EXPECT_EQ(recorder_.events[0].size, 2);
}

TEST_F(StreamsTest, WhileAllStreamsAreBusyTheNextBatchGrows) {
  FakeEncoder encoder(8);
  encoder.gate.Close();
  const Streams streams(encoder, batcher_, {});
  Push("first");
  encoder.AwaitBatches(1);
  std::shared_ptr<FakeClient> last;
  for (int i = 0; i < 10; ++i) last = Push("x");
  encoder.gate.Open();
  EXPECT_TRUE(last->Get().status.ok());
  const auto batches = encoder.batches();
  ASSERT_EQ(batches.size(), 3U);
  EXPECT_EQ(batches[0].size(), 1U);
  EXPECT_EQ(batches[1].size(), 8U);
  EXPECT_EQ(batches[2].size(), 2U);
  EXPECT_EQ(last->taken.stream, 0);
  EXPECT_EQ(last->taken.batch, 2) << "batches of a stream are numbered from 0";
  EXPECT_EQ(last->taken.size, 2);
}

TEST_F(StreamsTest, KeepsDepthBatchesInFlight) {
  FakeEncoder encoder(1, 1, 2);
  encoder.gate.Close();
  const Streams streams(encoder, batcher_, {});
  auto a = Push("a");
  auto b = Push("b");
  auto c = Push("c");
  encoder.AwaitBatches(1);
  encoder.gate.AwaitArrivals(1);  // in Wait for the first, having taken what there was
  encoder.gate.Open();
  for (auto& client : {a, b, c}) EXPECT_TRUE(client->Get().status.ok());
  EXPECT_LE(encoder.most_in_flight(), 2);
}

TEST_F(StreamsTest, ABusyStreamSubmitsTheNextBatchBeforeItWaits) {
  FakeEncoder encoder(1, 1, 2);
  encoder.gate.Close();
  Push("a");
  Push("b");
  Push("c");
  const Streams streams(encoder, batcher_, {});
  encoder.gate.AwaitArrivals(1);
  EXPECT_EQ(encoder.batches().size(), 2U);
  EXPECT_EQ(encoder.most_in_flight(), 2);
  encoder.gate.Open();
}

TEST_F(StreamsTest, ARowWithNanOrInfinityFailsAlone) {
  FakeEncoder encoder(4);
  auto good = Push("good");
  auto nan = Push("nan");
  auto inf = Push("inf");
  const Streams streams(encoder, batcher_, {});
  EXPECT_TRUE(good->Get().status.ok());
  EXPECT_EQ(nan->Get().status.code(), Code::kNanEmbedding);
  EXPECT_EQ(inf->Get().status.code(), Code::kNanEmbedding);
}

TEST_F(StreamsTest, AFailedBatchFailsItsItemsAndNothingElse) {
  for (const bool in_submit : {true, false}) {
    FakeEncoder encoder(2);
    const Status failure(Code::kDeviceOutOfMemory, "full");
    in_submit ? encoder.FailSubmit(failure) : encoder.FailWait(failure);
    Batcher batcher;
    const Streams streams(encoder, batcher, recorder_.Hooks());
    auto a = std::make_shared<FakeClient>();
    batcher.Push({.flow = 1}, MakeReady(*slots_, "a", a));
    EXPECT_EQ(a->Get().status.code(), Code::kDeviceOutOfMemory);
    in_submit ? encoder.FailSubmit({}) : encoder.FailWait({});
    auto b = std::make_shared<FakeClient>();
    batcher.Push({.flow = 1}, MakeReady(*slots_, "b", b));
    EXPECT_TRUE(b->Get().status.ok()) << "the stream lives on";
  }
  EXPECT_TRUE(recorder_.failures.empty()) << "out of memory is not a broken device";
}

TEST_F(StreamsTest, AnExceptionFailsTheBatchAndNotTheThread) {
  FakeEncoder encoder(2);
  encoder.throw_in_wait = true;
  const Streams streams(encoder, batcher_, {});
  const auto outcome = Push("a")->Get();
  EXPECT_EQ(outcome.status.code(), Code::kInternal);
  EXPECT_THAT(outcome.status.message(), HasSubstr("boom"));
  encoder.throw_in_wait = false;
  EXPECT_TRUE(Push("b")->Get().status.ok());
}

TEST_F(StreamsTest, ADeviceFailureIsReportedBeforeTheClientsHearOfIt) {
  FakeEncoder encoder(2);
  encoder.FailWait(Status(Code::kDeviceFailed, "Xid 79"));
  std::atomic<bool> reported{false};
  StreamsHooks hooks;
  hooks.on_device_failure = [&](const Status& status) { reported = status.code() == Code::kDeviceFailed; };
  const Streams streams(encoder, batcher_, std::move(hooks));
  EXPECT_EQ(Push("a")->Get().status.code(), Code::kDeviceFailed);
  EXPECT_TRUE(reported);
}

TEST_F(StreamsTest, TheDestructorFinishesWhatWasPushed) {
  FakeEncoder encoder(2, 3);
  std::vector<std::shared_ptr<FakeClient>> clients;
  for (int i = 0; i < 40; ++i) clients.push_back(Push("x", static_cast<uint64_t>(i % 4)));
  {
    const Streams streams(encoder, batcher_, recorder_.Hooks());
    EXPECT_EQ(streams.count(), 3);
  }
  int total = 0;
  for (const BatchEvent& event : recorder_.events) total += event.size;
  EXPECT_EQ(total, 40);
  for (auto& client : clients) EXPECT_TRUE(client->Get().status.ok());
}

TEST_F(StreamsTest, OverlappingBatchesCountTheirTimeOnce) {
  FakeEncoder encoder(1, 1, 2);
  encoder.gate.Close();
  for (int i = 0; i < 8; ++i) Push("x");
  const TimePoint before = Clock::now();
  auto last = Push("last");
  const Streams streams(encoder, batcher_, {});
  encoder.gate.Open();
  const TimePoint encoded = last->Get().at;
  const int64_t busy_us = streams.BusyMicros(0);
  EXPECT_GE(busy_us, 0);
  EXPECT_LE(busy_us, MicrosBetween(before, encoded));
}

// A stream that hangs fails what it holds; the other one serves on, and nobody is told that the device
// failed.
TEST_F(StreamsTest, ALostStreamIsSurvived) {
  FakeEncoder encoder(1, 2);
  encoder.gate.Close();
  Streams streams(encoder, batcher_, recorder_.Hooks());
  auto a = Push("a");
  encoder.gate.AwaitArrivals(1);  // one stream holds it
  encoder.LoseStreamOf("a");
  encoder.gate.Open();
  EXPECT_EQ(a->Get().status.code(), Code::kDeviceFailed);
  for (const std::string text : {"b", "c", "d"}) EXPECT_TRUE(Push(text)->Get().status.ok());
  std::scoped_lock lock(recorder_.mutex);
  EXPECT_EQ(recorder_.lost.size(), 1U);
  EXPECT_TRUE(recorder_.failures.empty());
}

// With two batches in flight the second of the lost stream fails with the first; the other stream's do not.
TEST_F(StreamsTest, ALostStreamFailsAllThatItHolds) {
  FakeEncoder encoder(1, 2, 2);
  encoder.gate.Close();
  std::vector<std::shared_ptr<FakeClient>> waiting;
  for (const std::string text : {"a", "b", "c", "d"}) waiting.push_back(Push(text));  // two for each stream
  Streams streams(encoder, batcher_, recorder_.Hooks());
  encoder.gate.AwaitArrivals(2);
  encoder.LoseStreamOf("a");
  encoder.gate.Open();
  std::vector<Code> codes;
  for (const auto& client : waiting) codes.push_back(client->Get().status.code());
  EXPECT_EQ(codes[0], Code::kDeviceFailed);
  EXPECT_EQ(std::count(codes.begin(), codes.end(), Code::kDeviceFailed), 2);
  EXPECT_EQ(std::count(codes.begin(), codes.end(), Code::kOk), 2);
  EXPECT_TRUE(Push("e")->Get().status.ok());
  std::scoped_lock lock(recorder_.mutex);
  EXPECT_EQ(recorder_.lost.size(), 1U) << "told once";
  EXPECT_TRUE(recorder_.failures.empty());
}

// A device that broke is no hang, whatever the other streams could still do.
TEST_F(StreamsTest, ABrokenDeviceIsNotSurvivedByOtherStreams) {
  FakeEncoder encoder(1, 2);
  Streams streams(encoder, batcher_, recorder_.Hooks());
  encoder.FailWait(Status(Code::kDeviceFailed, "illegal address"));
  EXPECT_EQ(Push("a")->Get().status.code(), Code::kDeviceFailed);
  std::scoped_lock lock(recorder_.mutex);
  EXPECT_TRUE(recorder_.lost.empty());
  ASSERT_FALSE(recorder_.failures.empty());
  EXPECT_EQ(recorder_.failures.front().message(), "illegal address");
}

TEST_F(StreamsTest, TheLastLostStreamIsAFailedDevice) {
  FakeEncoder encoder(1, 1);
  encoder.gate.Close();
  Streams streams(encoder, batcher_, recorder_.Hooks());
  auto a = Push("a");
  auto b = Push("b");
  encoder.gate.AwaitArrivals(1);
  encoder.LoseStreamOf("a");
  encoder.gate.Open();
  EXPECT_EQ(a->Get().status.code(), Code::kDeviceFailed);
  EXPECT_EQ(b->Get().status.code(), Code::kDeviceFailed) << "what waits is answered too";
  std::scoped_lock lock(recorder_.mutex);
  EXPECT_TRUE(recorder_.lost.empty());
  EXPECT_FALSE(recorder_.failures.empty());
}

class TextStreamsTest : public StreamsTest {
 protected:
  static constexpr encode::TextInfo kTexts{.max_tokens = 8, .max_batch = 4, .max_batch_tokens = 16};
  std::shared_ptr<FakeClient> PushText(const std::string& text) {
    auto client = std::make_shared<FakeClient>();
    batcher_.Push({.flow = 1}, testing::MakeText(text, client));
    return client;
  }
};

TEST_F(TextStreamsTest, ImagesAndTextsGetTheirRowsInBatchesOfTheirOwn) {
  FakeEncoder encoder(4, 1, 1, kTexts);
  auto photo = Push("ab");
  auto cat = PushText("cat");
  auto dogs = PushText("doggy");
  { const Streams streams(encoder, batcher_, recorder_.Hooks()); }
  EXPECT_THAT(cat->Get().row, ElementsAre(3.0F, 'c', 5.0F, 6.0F));
  EXPECT_THAT(dogs->Get().row, ElementsAre(5.0F, 'd', 5.0F, 6.0F));
  EXPECT_THAT(photo->Get().row, ElementsAre(2.0F, 'a', 3.0F, 4.0F));
  EXPECT_THAT(encoder.batches(), ElementsAre(ElementsAre("~cat", "~doggy"), ElementsAre("ab")));
  ASSERT_EQ(recorder_.events.size(), 2U);
  EXPECT_EQ(recorder_.events[0].kind, ItemKind::kText);
  EXPECT_EQ(recorder_.events[0].size, 2);
  EXPECT_EQ(recorder_.events[1].kind, ItemKind::kImage);
}

TEST_F(TextStreamsTest, TheLastStreamsAreForTextsAlone) {
  FakeEncoder encoder(1, 1, 1, kTexts, 1);
  encoder.gate.Close();
  const Streams streams(encoder, batcher_, {});
  auto photo = Push("a");
  auto next = Push("b");
  encoder.gate.AwaitArrivals(1);
  auto cat = PushText("cat");
  encoder.gate.AwaitArrivals(2);  // while the photo is still in work
  encoder.gate.Open();
  EXPECT_TRUE(cat->Get().status.ok());
  EXPECT_EQ(cat->taken.stream, 1);
  EXPECT_TRUE(photo->Get().status.ok());
  EXPECT_TRUE(next->Get().status.ok());
  EXPECT_EQ(next->taken.stream, 0);
}

TEST_F(TextStreamsTest, WithoutAStreamThatTakesImagesTheDeviceHasFailed) {
  FakeEncoder encoder(1, 1, 1, kTexts, 1);
  const Streams streams(encoder, batcher_, recorder_.Hooks());
  encoder.LoseStreamOf("a");
  EXPECT_EQ(Push("a")->Get().status.code(), Code::kDeviceFailed);
  std::scoped_lock lock(recorder_.mutex);
  EXPECT_TRUE(recorder_.lost.empty());
  EXPECT_FALSE(recorder_.failures.empty());
}

TEST_F(TextStreamsTest, ALostTextStreamIsSurvived) {
  FakeEncoder encoder(1, 1, 1, kTexts, 1);
  encoder.gate.Close();
  const Streams streams(encoder, batcher_, recorder_.Hooks());
  auto photo = Push("a");
  encoder.gate.AwaitArrivals(1);
  auto cat = PushText("cat");  // the other stream has the photo
  encoder.gate.AwaitArrivals(2);
  encoder.LoseStreamOf("~cat");
  encoder.gate.Open();
  EXPECT_EQ(cat->Get().status.code(), Code::kDeviceFailed);
  EXPECT_TRUE(PushText("dog")->Get().status.ok());
  EXPECT_TRUE(photo->Get().status.ok());
  std::scoped_lock lock(recorder_.mutex);
  EXPECT_THAT(recorder_.lost, ElementsAre(1));
}

}  // namespace
}  // namespace photovec::batch
