// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <optional>
#include <string>

#include "unit/pipeline/fixture.h"

namespace photovec::pipeline {
namespace {

using testing::Answer;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::Photo;
using testing::PipelineFixture;

class ShutdownTest : public PipelineFixture {
 protected:
  std::future<void> Drain(Deadline deadline) {
    return std::async(std::launch::async, [this, deadline] { pipe->Drain(deadline); });
  }
  /// Blocks until Open is refused: the drain has begun.
  void AwaitRefusal() {
    while (true) {
      auto opened = pipe->Open({}, [](RequestResult) {});
      if (!opened.ok()) {
        EXPECT_EQ(opened.status().code(), Code::kUnavailable);
        return;
      }
      (*opened)->Finish();
    }
  }
  static bool Ready(const std::future<void>& future) {
    return future.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }
};

TEST_F(ShutdownTest, DrainAnswersWhatIsInFlight) {
  Make(4);
  encoder().gate.Close();
  Answer answer;
  auto request = Open(answer);
  request->Add(Photo("a"));
  encoder().AwaitBatches(1);
  auto drained = Drain({});
  AwaitRefusal();
  EXPECT_FALSE(Ready(drained));
  request->Add(Photo("b"));  // a body that was still arriving
  request->Finish();
  EXPECT_FALSE(Ready(drained));
  encoder().gate.Open();
  drained.get();
  ASSERT_TRUE(answer.Answered());
  EXPECT_THAT(Codes(answer.Get()), Each(Code::kOk));
}

TEST_F(ShutdownTest, DrainOfAnIdlePipelineReturnsAtOnce) {
  Make(4);
  Embed({"a"});
  pipe->Drain({});
  AwaitRefusal();
}

TEST_F(ShutdownTest, AtTheDeadlineTheRestIsCancelledAndAnswered) {
  Make(2);
  encoder().gate.Close();
  Answer answer;
  auto request = Open(answer);
  for (int i = 0; i < 20; ++i) request->Add(Photo("a"));
  request->Finish();
  encoder().AwaitBatches(1);
  AwaitGauge("photovec_slots_free,model=clip", 0);
  auto drained = Drain(Deadline(Clock::now()));
  AwaitGauge(Queue("decode"), 0);
  EXPECT_FALSE(Ready(drained)) << "a batch is being encoded";
  encoder().gate.Open();
  drained.get();
  ASSERT_TRUE(answer.Answered());
  const auto codes = Codes(answer.Get());
  EXPECT_EQ(std::count(codes.begin(), codes.end(), Code::kOk), std::ssize(encoder().batches()[0]));
  EXPECT_EQ(codes.back(), Code::kCancelled);
}

TEST_F(ShutdownTest, DrainDoesNotWaitForAnOwnerWhoNeverFinishes) {
  Make(4);
  Answer answer;
  auto request = Open(answer);
  request->Add(Photo("a"));
  pipe->Drain(Deadline(Clock::now()));
  EXPECT_FALSE(answer.Answered());
  request->Add(Photo("b"));
  request->Finish();
  EXPECT_EQ(Codes(answer.Get()).back(), Code::kCancelled);
}

TEST_F(ShutdownTest, TheDestructorCancelsAndAnswers) {
  Make(2);
  Answer answer, fetching;
  auto request = Open(answer);
  for (int i = 0; i < 100; ++i) request->Add(Photo("a"));
  request->Finish();
  Destroy();
  ASSERT_TRUE(answer.Answered());
  EXPECT_EQ(answer.Get().items.size(), 100U);
}

TEST_F(ShutdownTest, TheDestructorWaitsForFetchesUnderWay) {
  Make(2);
  Answer answer;
  auto request = Open(answer);
  request->Add(Reference{"slow"});
  request->Finish();
  fetcher.AwaitPending(1);
  auto flag = fetcher.Peek().cancel;
  auto gone = std::async(std::launch::async, [this] { Destroy(); });
  while (!flag->cancelled()) std::this_thread::yield();
  EXPECT_FALSE(Ready(gone));
  fetcher.AnswerOne();
  gone.get();
  EXPECT_THAT(Codes(answer.Get()), ElementsAre(Code::kCancelled));
}

TEST_F(ShutdownTest, AHandleMayOutliveThePipeline) {
  Make(2);
  Answer answer;
  auto request = Open(answer);
  request->Add(Photo("a"));
  encoder().AwaitBatches(1);
  Destroy();
  request->Add(Photo("b"));
  request->Add(Reference{"c"});
  request->Cancel();
  request->Finish();
  EXPECT_THAT(Codes(answer.Get()), ElementsAre(Code::kOk, Code::kUnavailable, Code::kUnavailable));
}

TEST_F(ShutdownTest, ADeviceFailureIsTold) {
  std::atomic<int> told{0};
  options.on_device_failure = [&](const Status& status) {
    EXPECT_EQ(status.code(), Code::kDeviceFailed);
    EXPECT_TRUE(pipe->device_failed());
    ++told;
  };
  Make(1);
  EXPECT_FALSE(pipe->device_failed());
  encoder().FailWait(Status(Code::kDeviceFailed, "Xid 79"));
  EXPECT_THAT(Codes(Embed({"a", "b", "c"})), Each(Code::kDeviceFailed));
  EXPECT_TRUE(pipe->device_failed());
  EXPECT_EQ(told, 1);
  auto opened = pipe->Open({}, [](RequestResult) {});
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.status().code(), Code::kDeviceFailed);
}

TEST_F(ShutdownTest, AnEncoderThatFailsOnceLosesOnlyThatBatch) {
  Make(4);
  encoder().FailSubmit(Status(Code::kInternal, "odd"));
  EXPECT_THAT(Codes(Embed({"a", "b"})), Each(Code::kInternal));
  encoder().FailSubmit({});
  EXPECT_THAT(Codes(Embed({"a", "b"})), Each(Code::kOk));
  EXPECT_FALSE(pipe->device_failed());
}

}  // namespace
}  // namespace photovec::pipeline
