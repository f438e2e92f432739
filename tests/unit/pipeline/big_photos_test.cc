// SPDX-License-Identifier: MIT
// Photos that take more memory than a decoder's own part: turns, fairness, deadlines, errors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
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

constexpr int64_t kMiB = int64_t{1} << 20;

// Two decoders of 64 MiB each and 800 MiB that they share.
class BigPhotosTest : public PipelineFixture {
 protected:
  BigPhotosTest() {
    options.decode_memory_bytes = (800 + 2 * 64) * kMiB;
    decoders.big_gate.Close();
  }
  std::unique_ptr<Request> Send(Answer& answer, const std::string& photo, RequestOptions request = {}) {
    auto opened = Open(answer, std::move(request));
    opened->Add(Photo(photo));
    opened->Finish();
    return opened;
  }
  void AwaitUsed(int64_t mib) {
    AwaitGauge("photovec_decode_memory_used_bytes", static_cast<double>(mib * kMiB));
  }
  static constexpr int64_t kAtRest = 2 * 64;
};

TEST_F(BigPhotosTest, TakeTurnsWhileSmallOnesPass) {
  Make(4);
  std::vector<Answer> answers(3);
  std::vector<std::unique_ptr<Request>> requests;
  for (Answer& answer : answers) requests.push_back(Send(answer, "big:596"));
  decoders.big_gate.AwaitArrivals(1);
  AwaitGauge(Queue("decode"), 2);
  AwaitUsed(kAtRest + 532);
  for (int i = 0; i < 10; ++i) EXPECT_THAT(Codes(Embed({"a", "b", "c"})), Each(Code::kOk)) << "small ones";
  decoders.big_gate.Open();
  for (Answer& answer : answers) EXPECT_EQ(Codes(answer.Get()).at(0), Code::kOk);
}

TEST_F(BigPhotosTest, OneDecoderIsKeptForSmallOnesWhileThereAreAny) {
  Make(4);
  EXPECT_THAT(Codes(Embed({"a"})), Each(Code::kOk));
  Answer first, second;
  const auto a = Send(first, "big:100");
  const auto b = Send(second, "big:100");
  decoders.big_gate.AwaitArrivals(1);
  AwaitGauge(Queue("decode"), 1);
  EXPECT_THAT(Codes(Embed({"a", "b", "c"})), Each(Code::kOk)) << "there is memory for both";
  decoders.big_gate.Open();
  EXPECT_EQ(Codes(first.Get()).at(0), Code::kOk);
  EXPECT_EQ(Codes(second.Get()).at(0), Code::kOk);
}

TEST_F(BigPhotosTest, AHugeOneIsNotOvertakenByThoseThatWouldFit) {
  Make(4);
  Answer first, huge, late;
  const auto a = Send(first, "big:396");
  decoders.big_gate.AwaitArrivals(1);
  const auto b = Send(huge, "big:800");
  AwaitGauge(Queue("decode"), 1);
  const auto c = Send(late, "big:300");
  AwaitGauge(Queue("decode"), 2);
  decoders.big_gate.LetIn();
  EXPECT_EQ(Codes(first.Get()).at(0), Code::kOk);
  decoders.big_gate.AwaitArrivals(2);
  AwaitUsed(kAtRest + 736);
  decoders.big_gate.LetIn();
  EXPECT_EQ(Codes(huge.Get()).at(0), Code::kOk);
  decoders.big_gate.LetIn();
  EXPECT_EQ(Codes(late.Get()).at(0), Code::kOk);
  EXPECT_THAT(decoders.Decoded(), ElementsAre("big:396", "big:800", "big:300"));
  AwaitUsed(kAtRest);
}

TEST_F(BigPhotosTest, TheRoomOfOneIsForSeveral) {
  Make(4);
  Answer all, one, two;
  const auto a = Send(all, "big:896");
  decoders.big_gate.AwaitArrivals(1);
  const auto b = Send(one, "big:396");
  const auto c = Send(two, "big:396");
  AwaitGauge(Queue("decode"), 2);
  decoders.big_gate.LetIn();
  EXPECT_EQ(Codes(all.Get()).at(0), Code::kOk);
  decoders.big_gate.AwaitArrivals(3);  // both at the same time
  AwaitUsed(kAtRest + 664);
  decoders.big_gate.Open();
  EXPECT_EQ(Codes(one.Get()).at(0), Code::kOk);
  EXPECT_EQ(Codes(two.Get()).at(0), Code::kOk);
}

TEST_F(BigPhotosTest, OneThatFailsGivesItsMemoryBack) {
  Make(4);
  decoders.big_gate.Open();
  for (int i = 0; i < 5; ++i) {
    EXPECT_THAT(Codes(Embed({"big:800 corrupt", "big:800"})), ElementsAre(Code::kImageCorrupt, Code::kOk));
  }
  EXPECT_THAT(Codes(Embed({"big:800 more"})), ElementsAre(Code::kInternal)) << "it may ask once";
  AwaitUsed(kAtRest);
}

TEST_F(BigPhotosTest, OneThatWaitsIsGivenUpAtItsDeadlineOrWhenItIsCancelled) {
  Make(4);
  Answer running, late, cancelled;
  const auto a = Send(running, "big:800");
  decoders.big_gate.AwaitArrivals(1);
  const auto b = Send(cancelled, "big:800");
  AwaitGauge(Queue("decode"), 1);
  RequestOptions soon;
  soon.deadline = Deadline::After(std::chrono::milliseconds(30));
  const auto c = Send(late, "big:800", soon);
  EXPECT_EQ(Codes(late.Get()).at(0), Code::kDeadlineExceeded);
  b->Cancel();
  EXPECT_EQ(Codes(cancelled.Get()).at(0), Code::kCancelled);
  AwaitGauge(Queue("decode"), 0);
  AwaitUsed(kAtRest + 736);
  decoders.big_gate.Open();
  EXPECT_EQ(Codes(running.Get()).at(0), Code::kOk);
  AwaitUsed(kAtRest);
}

TEST_F(BigPhotosTest, WithoutABoundNobodyWaits) {
  options.decode_memory_bytes = 0;
  Make(4);
  Answer one, two;
  const auto a = Send(one, "big:80000");
  const auto b = Send(two, "big:80000");
  decoders.big_gate.AwaitArrivals(2);
  decoders.big_gate.Open();
  EXPECT_EQ(Codes(one.Get()).at(0), Code::kOk);
  EXPECT_EQ(Codes(two.Get()).at(0), Code::kOk);
}

TEST_F(BigPhotosTest, ManyWithSmallOnesAllComeToAnEnd) {
  Make(4, 2);
  decoders.big_gate.Open();
  std::vector<std::string> photos;
  for (int i = 0; i < 300; ++i) {
    photos.push_back(i % 3 == 0 ? "small" : "big:" + std::to_string(100 + i * 97 % 796));
  }
  EXPECT_THAT(Codes(Embed(photos)), Each(Code::kOk));
  AwaitUsed(kAtRest);
}

}  // namespace
}  // namespace photovec::pipeline
