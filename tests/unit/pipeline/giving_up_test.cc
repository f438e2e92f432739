// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "unit/pipeline/fixture.h"

namespace photovec::pipeline {
namespace {

using testing::Answer;
using ::testing::Each;
using ::testing::ElementsAre;
using testing::Photo;
using testing::PipelineFixture;

// Cancellation and deadlines, at every stage that an image may be in.
class GivingUpTest : public PipelineFixture {
 protected:
  static constexpr int kLookAhead = 64;  // of two decoders

  GivingUpTest() { options.decode.limits.max_file_bytes = 1000; }  // memory never bounds the look-ahead
  /// Fills every slot and stream with a request that nothing else waits for, and leaves the stream blocked.
  void BlockModel() {
    encoder().gate.Close();
    blocking_ = Open(blocker_);
    for (int i = 0; i < 20; ++i) blocking_->Add(Photo("blocker"));
    encoder().AwaitBatches(1);
    AwaitGauge("photovec_slots_free,model=clip", 0);
  }
  void Unblock() {
    encoder().gate.Open();
    blocking_->Finish();
    EXPECT_EQ(blocker_.Get().items.size(), 20U);
  }
  Answer blocker_;
  std::unique_ptr<Request> blocking_;
};

TEST_F(GivingUpTest, BeforeAdd) {
  Make(4);
  Answer answer;
  auto request = Open(answer);
  request->Cancel();
  request->Add(Photo("a"));
  request->Add(Reference{"b"});
  request->Finish();
  EXPECT_THAT(Codes(answer.Get()), ElementsAre(Code::kCancelled, Code::kCancelled));
  EXPECT_TRUE(decoders.Decoded().empty());
  EXPECT_EQ(fetcher.started(), 0);
}

TEST_F(GivingUpTest, WhileWaitingForAFetchAndWhileBeingFetched) {
  Make(4);
  Answer answer;
  auto request = Open(answer);
  for (int i = 0; i < kLookAhead + 10; ++i) request->Add(Reference{"photo"});
  fetcher.AwaitPending(kLookAhead);
  const auto flag = fetcher.Peek().cancel;
  EXPECT_FALSE(flag->cancelled());
  request->Cancel();
  request->Finish();
  EXPECT_TRUE(flag->cancelled()) << "the fetcher can see it";
  for (int i = 0; i < kLookAhead; ++i) fetcher.AnswerOne();
  EXPECT_THAT(Codes(answer.Get()), Each(Code::kCancelled));
  EXPECT_EQ(fetcher.started(), kLookAhead) << "what had not begun never begins";
  EXPECT_TRUE(decoders.Decoded().empty());
  EXPECT_EQ(pipe->budget().used(), 0U);
}

TEST_F(GivingUpTest, WhileWaitingForADecoder) {
  Make(4);
  decoders.gate.Close();
  Answer answer;
  auto request = Open(answer);
  for (int i = 0; i < 10; ++i) request->Add(Photo("a"));
  decoders.gate.AwaitArrivals(2);
  request->Cancel();
  request->Finish();
  AwaitGauge(Queue("decode"), 0);  // although both decoders are still blocked
  EXPECT_FALSE(answer.Answered());
  decoders.gate.Open();
  EXPECT_THAT(Codes(answer.Get()), Each(Code::kCancelled));
  EXPECT_EQ(decoders.Decoded().size(), 2U);
  EXPECT_TRUE(encoder().batches().empty());
}

TEST_F(GivingUpTest, WhileWaitingForASlotOfAStuckModel) {
  Make(2);
  BlockModel();
  Answer answer;
  auto request = Open(answer);
  request->Add(Photo("a"));
  request->Finish();
  request->Cancel();
  EXPECT_THAT(Codes(answer.Get()), ElementsAre(Code::kCancelled)) << "and the model is still stuck";
  Unblock();
}

TEST_F(GivingUpTest, WhileWaitingForAStream) {
  options.slots_per_model = 8;
  Make(2);
  encoder().gate.Close();
  Answer first, answer;
  auto taken = Open(first);
  taken->Add(Photo("taken"));
  encoder().AwaitBatches(1);
  auto request = Open(answer);
  request->Add(Photo("a"));
  request->Add(Photo("b"));
  AwaitGauge(Queue("batch"), 2);
  request->Cancel();
  request->Finish();
  taken->Finish();
  encoder().gate.Open();
  EXPECT_THAT(Codes(answer.Get()), Each(Code::kCancelled));
  EXPECT_THAT(Codes(first.Get()), ElementsAre(Code::kOk));
  EXPECT_EQ(encoder().batches().size(), 1U);
}

TEST_F(GivingUpTest, WhatAStreamHasTakenIsFinished) {
  Make(4);
  encoder().gate.Close();
  Answer answer;
  auto request = Open(answer);
  request->Add(Photo("a"));
  encoder().AwaitBatches(1);
  request->Cancel();
  request->Finish();
  encoder().gate.Open();
  EXPECT_THAT(Codes(answer.Get()), ElementsAre(Code::kOk));
}

TEST_F(GivingUpTest, AfterTheAnswerNothingHappens) {
  Make(4);
  Answer answer;
  auto request = Open(answer);
  request->Add(Photo("a"));
  request->Finish();
  EXPECT_THAT(Codes(answer.Get()), ElementsAre(Code::kOk));
  request->Cancel();
  EXPECT_EQ(answer.calls(), 1);
}

TEST_F(GivingUpTest, DroppingTheRequestCancelsAndFinishes) {
  Make(2);
  BlockModel();
  Answer answer;
  {
    auto request = Open(answer);
    request->Add(Photo("a"));
  }
  EXPECT_THAT(Codes(answer.Get()), ElementsAre(Code::kCancelled));
  Unblock();
}

TEST_F(GivingUpTest, ADeadlineThatHasPassedAlready) {
  Make(4);
  RequestOptions late;
  late.deadline = Deadline(Clock::now());
  EXPECT_THAT(Codes(Embed({"a", "b"}, late)), Each(Code::kDeadlineExceeded));
  EXPECT_TRUE(decoders.Decoded().empty());
}

TEST_F(GivingUpTest, ADeadlinePassesWhileWaitingForAStuckModel) {
  Make(2);
  BlockModel();
  RequestOptions soon;
  soon.deadline = Deadline::After(std::chrono::milliseconds(5));
  EXPECT_THAT(Codes(Embed({"a", "b"}, soon)), Each(Code::kDeadlineExceeded))
      << "and the model is still stuck";
  Unblock();
}

TEST_F(GivingUpTest, ADeadlinePassesWhileWaitingForAFetch) {
  Make(4);
  Answer first, answer;
  auto hog = Open(first);
  for (int i = 0; i < kLookAhead; ++i) hog->Add(Reference{"slow"});
  fetcher.AwaitPending(kLookAhead);
  RequestOptions soon;
  soon.deadline = Deadline::After(std::chrono::milliseconds(5));
  auto request = Open(answer, soon);
  request->Add(Reference{"late"});
  request->Finish();
  EXPECT_THAT(Codes(answer.Get()), ElementsAre(Code::kDeadlineExceeded));
  hog->Finish();
  for (int i = 0; i < kLookAhead; ++i) fetcher.AnswerOne();
  EXPECT_THAT(Codes(first.Get()), Each(Code::kOk));
}

TEST_F(GivingUpTest, WhatCannotBeDoneInTheTimeThatIsLeftIsNotBegun) {
  Make(4);
  {  // It is learnt that a decode takes ten minutes.
    AdmissionAsk ask;
    const auto ticket = pipe->admission().Enter(ask);
    const Charge charge = ticket->Add(ItemKind::kImage, 1, false);
    ticket->OnEnded(charge, {true, 600e6, 10, 1, 1});
  }
  RequestOptions soon;
  soon.deadline = Deadline::After(std::chrono::minutes(9));
  EXPECT_THAT(Codes(Embed({"a", "b"}, soon)), Each(Code::kDeadlineExceeded));
  EXPECT_TRUE(decoders.Decoded().empty());
  registry.Sample();
  EXPECT_EQ(registry.Value("photovec_images_dropped_total,model=clip,queue=decode"), 2);
  soon.deadline = Deadline::After(std::chrono::minutes(11));
  EXPECT_THAT(Codes(Embed({"a"}, soon)), Each(Code::kOk));
}

TEST_F(GivingUpTest, TheFetcherHearsOfTheDeadline) {
  Make(4);
  RequestOptions bounded;
  bounded.deadline = Deadline::After(std::chrono::hours(1));
  Answer answer;
  auto request = Open(answer, bounded);
  request->Add(Reference{"photo"});
  request->Finish();
  fetcher.AwaitPending(1);
  EXPECT_EQ(fetcher.Peek().deadline.at(), bounded.deadline.at());
  fetcher.AnswerOne();
  EXPECT_THAT(Codes(answer.Get()), ElementsAre(Code::kOk));
}

}  // namespace
}  // namespace photovec::pipeline
