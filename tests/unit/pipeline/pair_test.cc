// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "pipeline/request.h"
#include "unit/pipeline/fixture.h"

// A decoder is given a second JPEG beside the first one when one waits and nobody else is free.
namespace photovec::pipeline {
namespace {

using testing::Answer;
using ::testing::ElementsAre;
using testing::kJpegStart;
using testing::Photo;
using testing::PipelineFixture;

class PairTest : public PipelineFixture {
 protected:
  PairTest() {
    options.decoders = 1;
    decoders.pairs = true;
    decoders.gate.Close();
  }

  static std::string Jpeg(const std::string& name) { return kJpegStart + name; }

  /// Adds them while the decoder has the first one in its hands.
  RequestResult EmbedWhileBusy(const std::vector<std::string>& photos) {
    Make(8);
    Answer answer;
    auto request = Open(answer);
    request->Add(Photo(photos.front()));
    while (decoders.Decoded().empty()) std::this_thread::yield();
    for (size_t i = 1; i < photos.size(); ++i) request->Add(Photo(photos[i]));
    request->Finish();
    decoders.gate.Open();
    return answer.Get();
  }
  static std::vector<decode::JpegBy> By(const RequestResult& result) {
    std::vector<decode::JpegBy> by;
    for (const ItemResult& item : result.items) by.push_back(item.trail.jpeg_by);
    return by;
  }
};

constexpr auto kAlone = decode::JpegBy::kLibjpegTurbo;
constexpr auto kPair = decode::JpegBy::kOwnPair;
constexpr auto kNobody = decode::JpegBy::kNobody;

TEST_F(PairTest, TheSecondIsTheOneWhoseTurnItIs) {
  const RequestResult result = EmbedWhileBusy({Jpeg("0"), Jpeg("1"), Jpeg("2"), Jpeg("3"), Jpeg("4")});
  EXPECT_THAT(decoders.Decoded(), ElementsAre(Jpeg("0"), Jpeg("1"), Jpeg("2"), Jpeg("3"), Jpeg("4")));
  EXPECT_THAT(By(result), ElementsAre(kPair, kAlone, kPair, kAlone, kAlone))
      << "the fake says it of the first";
  for (const ItemResult& item : result.items) EXPECT_TRUE(item.status.ok()) << item.status.ToString();
  EXPECT_EQ(registry.Value("photovec_jpegs_total,model=clip,decoded_by=own_pair"), 2);
  EXPECT_EQ(registry.Value("photovec_jpegs_total,model=clip,decoded_by=libjpeg_turbo"), 3);
}

TEST_F(PairTest, EachHasItsOwnPixelsAndTimes) {
  const RequestResult result = EmbedWhileBusy({Jpeg("first"), Jpeg("second")});
  const RequestResult alone = Embed({Jpeg("second")});
  ASSERT_EQ(result.items.size(), 2U);
  EXPECT_EQ(result.items[1].embedding, alone.items[0].embedding);
  EXPECT_NE(result.items[0].embedding, result.items[1].embedding);
  const StageTimes& first = result.items[0].times;
  const StageTimes& second = result.items[1].times;
  EXPECT_LT(first.At(Border::kDecodeStart), second.At(Border::kDecodeStart));
  EXPECT_LE(second.At(Border::kPreprocessEnd), first.At(Border::kPreprocessEnd));
}

TEST_F(PairTest, WhatIsNoJpegKeepsItsTurn) {
  const RequestResult result = EmbedWhileBusy({Jpeg("0"), "a PNG", Jpeg("1"), Jpeg("2")});
  EXPECT_THAT(decoders.Decoded(), ElementsAre(Jpeg("0"), "a PNG", Jpeg("1"), Jpeg("2")));
  // The PNG takes a second one, too: the decoder knows what it can do with it.
  EXPECT_THAT(By(result), ElementsAre(kAlone, kNobody, kAlone, kAlone));
}

TEST_F(PairTest, AThreadThatIsFreeComesFirst) {
  options.decoders = 2;
  decoders.gate.Open();
  std::atomic<Request*> current{nullptr};
  // The other thread has surely not taken it when the second one is asked for.
  decoders.before_second = [&](const std::string& text) {
    if (text == Jpeg("0")) current.load()->Add(Photo(Jpeg("1")));
  };
  Make(8);
  constexpr size_t kRounds = 20;
  size_t pairs = 0;
  for (size_t round = 1; round <= kRounds; ++round) {
    Answer answer;
    auto request = Open(answer);
    current = request.get();
    request->Add(Photo(Jpeg("0")));
    while (decoders.Decoded().size() < 2 * round) std::this_thread::yield();
    request->Finish();
    if (answer.Get().items[0].trail.jpeg_by == kPair) ++pairs;
  }
  // Sometimes the other thread has not come to rest yet.
  EXPECT_LT(pairs, kRounds / 2);
}

TEST_F(PairTest, OneThatWasGivenUpIsNoSecond) {
  Make(8);
  Answer busy;
  Answer gone;
  auto request = Open(busy);
  request->Add(Photo(Jpeg("0")));
  while (decoders.Decoded().empty()) std::this_thread::yield();
  auto cancelled = Open(gone);
  cancelled->Add(Photo(Jpeg("1")));
  cancelled->Finish();
  cancelled->Cancel();
  request->Add(Photo(Jpeg("2")));
  request->Finish();
  decoders.gate.Open();
  EXPECT_THAT(By(busy.Get()), ElementsAre(kPair, kAlone));
  EXPECT_EQ(gone.Get().items[0].status.code(), Code::kCancelled);
  EXPECT_THAT(decoders.Decoded(), ElementsAre(Jpeg("0"), Jpeg("2")));
}

TEST_F(PairTest, AnExceptionFailsBothAndTheThreadGoesOn) {
  const RequestResult result = EmbedWhileBusy({Jpeg("throw"), Jpeg("1"), Jpeg("2")});
  EXPECT_THAT(Codes(result), ElementsAre(Code::kInternal, Code::kInternal, Code::kOk));
}

TEST_F(PairTest, WithoutASlotThereIsNoSecond) {
  options.slots_per_model = 1;
  Make(1);
  Answer answer;
  auto request = Open(answer);
  request->Add(Photo(Jpeg("0")));
  while (decoders.Decoded().empty()) std::this_thread::yield();
  request->Add(Photo(Jpeg("1")));
  request->Finish();
  decoders.gate.Open();
  EXPECT_THAT(By(answer.Get()), ElementsAre(kAlone, kAlone));
}

}  // namespace
}  // namespace photovec::pipeline
