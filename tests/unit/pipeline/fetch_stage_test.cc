// SPDX-License-Identifier: MIT
#include "pipeline/fetch_stage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

class FetchStageTest : public PipelineFixture {
 protected:
  static constexpr int kLookAhead = 64;          // of two decoders
  static constexpr uint64_t kPhotoBytes = 1000;  // the most that a photo may have
  void SetBudget(uint64_t photos) {
    options.decode.limits.max_file_bytes = kPhotoBytes;
    options.memory_budget_bytes = photos * kPhotoBytes;
  }
  std::unique_ptr<Request> AddReferences(Answer& answer, int count, const std::string& text = "photo") {
    auto request = Open(answer);
    for (int i = 0; i < count; ++i) request->Add(Reference{text});
    return request;
  }
};

TEST_F(FetchStageTest, FetchesAheadButNotTooFar) {
  SetBudget(1000);
  Make(4);
  decoders.gate.Close();
  Answer answer;
  auto request = AddReferences(answer, 200);
  fetcher.AwaitPending(kLookAhead);
  for (int i = 0; i < 10; ++i) fetcher.AnswerOne();
  // Two are in the decoders, eight wait for one: all ten still count.
  AwaitGauge(Queue("decode"), 8);
  EXPECT_EQ(fetcher.started(), kLookAhead);
  AwaitGauge(Queue("fetch"), 200 - kLookAhead);
  decoders.gate.Open();
  for (int i = 10; i < 200; ++i) fetcher.AnswerOne();
  request->Finish();
  EXPECT_THAT(Codes(answer.Get()), Each(Code::kOk));
  EXPECT_EQ(pipe->budget().used(), 0U);
}

TEST_F(FetchStageTest, IsFairBetweenRequests) {
  SetBudget(1000);
  Make(4);
  Answer big, small;
  auto many = AddReferences(big, 200, "big");
  fetcher.AwaitPending(kLookAhead);
  auto one = AddReferences(small, 2, "small");
  one->Finish();
  for (int i = 0; i < 4; ++i) fetcher.AnswerOne();
  fetcher.AwaitPending(kLookAhead);
  const auto references = fetcher.References();
  EXPECT_EQ(std::count(references.begin(), references.end(), "small"), 2)
      << "of the next four fetches, two belong to the small request";
  fetcher.automatic = true;
  while (fetcher.pending() > 0) fetcher.AnswerOne();
  many->Finish();
  EXPECT_THAT(Codes(small.Get()), Each(Code::kOk));
  EXPECT_EQ(big.Get().items.size(), 200U);
}

TEST_F(FetchStageTest, MayReserveHalfOfTheBudget) {
  SetBudget(10);
  Make(4);
  Answer answer;
  auto request = AddReferences(answer, 20);
  fetcher.AwaitPending(5);
  EXPECT_EQ(pipe->budget().used(), 5 * kPhotoBytes);
  EXPECT_EQ(fetcher.started(), 5);
  EXPECT_TRUE(pipe->budget().TryReserve(5 * kPhotoBytes).has_value()) << "uploads are still welcome";
  for (int i = 0; i < 20; ++i) fetcher.AnswerOne();
  request->Finish();
  EXPECT_THAT(Codes(answer.Get()), Each(Code::kOk));
  EXPECT_EQ(pipe->budget().used(), 0U);
}

TEST_F(FetchStageTest, AFetchedPhotoHoldsOnlyWhatItWeighs) {
  SetBudget(10);
  Make(4);
  decoders.gate.Close();
  Answer answer;
  auto request = AddReferences(answer, 1, "seven..");
  fetcher.AwaitPending(1);
  EXPECT_EQ(pipe->budget().used(), kPhotoBytes);
  fetcher.AnswerOne();
  decoders.gate.AwaitArrivals(1);
  EXPECT_EQ(pipe->budget().used(), 7U);
  decoders.gate.Open();
  request->Finish();
  answer.Get();
}

TEST_F(FetchStageTest, DataUrlsReserveTheirOwnLength) {
  SetBudget(10);
  Make(4);
  Answer answer;
  auto request = AddReferences(answer, 1, "data:,12345");
  fetcher.AwaitPending(1);
  EXPECT_EQ(pipe->budget().used(), 11U);
  fetcher.AnswerOne();
  request->Finish();
  answer.Get();
}

TEST_F(FetchStageTest, APhotoLargerThanItsAllowanceIsFetchedOnceMore) {
  constexpr int64_t kMost = 64 << 20;
  options.decode.limits.max_file_bytes = kMost;
  Make(4);
  Answer answer;
  auto request = AddReferences(answer, 1);
  request->Finish();
  fetcher.AwaitPending(1);
  const int64_t allowance = fetcher.Peek().max_bytes;
  EXPECT_LT(allowance, kMost);
  EXPECT_EQ(pipe->budget().used(), static_cast<uint64_t>(allowance));
  const auto too_large = [](const std::string&) { return Status(Code::kBodyTooLarge, "too large"); };
  fetcher.AnswerOne(too_large);
  fetcher.AwaitPending(1);
  EXPECT_EQ(fetcher.Peek().max_bytes, kMost);
  EXPECT_EQ(fetcher.Peek().reference, "photo");
  EXPECT_EQ(pipe->budget().used(), static_cast<uint64_t>(kMost));
  fetcher.AnswerOne();
  EXPECT_THAT(Codes(answer.Get()), ElementsAre(Code::kOk));

  Answer larger;
  request = AddReferences(larger, 1);
  request->Finish();
  fetcher.AnswerOne(too_large);
  fetcher.AnswerOne(too_large);
  EXPECT_THAT(Codes(larger.Get()), ElementsAre(Code::kBodyTooLarge)) << "but not for ever";
  EXPECT_EQ(fetcher.started(), 4);
  EXPECT_EQ(pipe->budget().used(), 0U);
}

TEST_F(FetchStageTest, TheAllowanceFollowsThePhotos) {
  Make(4);
  const auto allowance_after = [&](size_t photo_bytes) {
    for (int i = 0; i < 100; ++i) {
      Answer answer;
      auto request = AddReferences(answer, 1);
      request->Finish();
      fetcher.AwaitPending(1);
      fetcher.AnswerOne([&](const std::string&) { return Photo(std::string(photo_bytes, 'x')); });
      answer.Get();
    }
    Answer answer;
    auto request = AddReferences(answer, 1);
    request->Finish();
    fetcher.AwaitPending(1);
    const int64_t allowance = fetcher.Peek().max_bytes;
    fetcher.AnswerOne();
    answer.Get();
    return allowance;
  };
  EXPECT_EQ(allowance_after(100), 1 << 20);
  const int64_t grown = allowance_after(1 << 20);
  EXPECT_GT(grown, 3 << 20);
  EXPECT_LE(grown, 4 << 20);
}

TEST_F(FetchStageTest, GoesOnOneByOneWhenUploadsFillTheBudget) {
  SetBudget(10);
  Make(4);
  const auto uploads = pipe->budget().TryReserve(10 * kPhotoBytes);
  ASSERT_TRUE(uploads.has_value());
  Answer answer;
  auto request = AddReferences(answer, 5);
  request->Finish();
  for (int i = 0; i < 5; ++i) {
    fetcher.AwaitPending(1);
    EXPECT_EQ(fetcher.pending(), 1U);
    fetcher.AnswerOne();
  }
  EXPECT_THAT(Codes(answer.Get()), Each(Code::kOk));
  EXPECT_EQ(pipe->budget().used(), 10 * kPhotoBytes);
}

TEST_F(FetchStageTest, AnUploadThatIsDecodedMakesRoomForFetches) {
  SetBudget(4);
  Make(4);
  decoders.gate.Close();
  auto upload = std::make_shared<Reservation>(*pipe->budget().TryReserve(3 * kPhotoBytes));
  const std::string text = "upload";
  const std::span view(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  Answer answer;
  auto request = Open(answer);
  request->Add(Bytes(std::move(upload), view));
  for (int i = 0; i < 2; ++i) request->Add(Reference{"photo"});
  request->Finish();
  decoders.gate.AwaitArrivals(1);
  fetcher.AwaitPending(1);
  AwaitGauge(Queue("fetch"), 1);
  decoders.gate.LetIn(1);
  fetcher.AwaitPending(2);
  decoders.gate.Open();
  for (int i = 0; i < 2; ++i) fetcher.AnswerOne();
  EXPECT_THAT(Codes(answer.Get()), Each(Code::kOk));
  EXPECT_EQ(pipe->budget().used(), 0U);
}

TEST_F(FetchStageTest, AFailedFetchFailsItsImageOnly) {
  Make(4);
  fetcher.automatic = true;
  Answer answer;
  auto request = Open(answer);
  for (const char* text : {"a", "missing", "b"}) request->Add(Reference{text});
  request->Finish();
  const RequestResult result = answer.Get();
  EXPECT_THAT(Codes(result), ElementsAre(Code::kOk, Code::kNotFound, Code::kOk));
  EXPECT_EQ(result.items[1].status.message(), "no such photo");
  EXPECT_TRUE(result.items[1].times.Has(Border::kFetchEnd));
  EXPECT_FALSE(result.items[1].times.Has(Border::kDecodeStart));
}

TEST(Admission, ShrinksChargesAndGivesBack) {
  MemoryBudget budget(100);
  auto reservation = budget.TryReserve(80);
  ASSERT_TRUE(reservation.has_value());
  EXPECT_FALSE(budget.TryReserve(21).has_value());
  reservation->ShrinkTo(90);
  EXPECT_EQ(budget.used(), 80U) << "shrinking never grows";
  reservation->ShrinkTo(30);
  EXPECT_EQ(budget.used(), 30U);
  {
    const Reservation beyond = budget.Charge(200);
    EXPECT_EQ(budget.used(), 230U);
    EXPECT_FALSE(budget.TryReserve(1).has_value());
  }
  Reservation moved = std::move(*reservation);
  reservation.reset();
  EXPECT_EQ(budget.used(), 30U);
  moved = Reservation();
  EXPECT_EQ(budget.used(), 0U);
}

}  // namespace
}  // namespace photovec::pipeline
