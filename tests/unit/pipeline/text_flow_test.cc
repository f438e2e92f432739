// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "unit/pipeline/fixture.h"

namespace photovec::pipeline {
namespace {

using testing::Answer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::Photo;
using testing::PipelineFixture;

class TextFlowTest : public PipelineFixture {
 protected:
  static RequestOptions Raw() {
    RequestOptions raw;
    raw.normalize = false;
    return raw;
  }
};

TEST_F(TextFlowTest, ATextBecomesAVector) {
  MakeWithTexts(4);
  const RequestResult result = EmbedTexts({"cat", ""}, Raw());
  ASSERT_EQ(result.items.size(), 2U);
  ASSERT_TRUE(result.items[0].status.ok()) << result.items[0].status.ToString();
  EXPECT_THAT(result.items[0].embedding, ElementsAre(4.0F, 'c', 5.0F, 6.0F));
  EXPECT_EQ(result.items[0].tokens, 4);
  EXPECT_THAT(result.items[1].embedding, ElementsAre(1.0F, '$', 5.0F, 6.0F));
  EXPECT_NEAR(EmbedTexts({"cat"}).items[0].embedding[0], 4 / std::sqrt(16 + 99 * 99 + 25 + 36), 1e-6);
}

TEST_F(TextFlowTest, ImagesAndTextsOfOneRequestComeInTheOrderOfAdd) {
  MakeWithTexts(4);
  Answer answer;
  auto request = Open(answer, Raw());
  request->Add(Text{"abc"});
  request->Add(Photo("de"));
  request->Add(Text{"f"});
  request->Finish();
  const RequestResult result = answer.Get();
  EXPECT_THAT(result.items[0].embedding, ElementsAre(4.0F, 'a', 5.0F, 6.0F));
  EXPECT_THAT(result.items[1].embedding, ElementsAre(2.0F, 'd', 3.0F, 4.0F));
  EXPECT_THAT(result.items[2].embedding, ElementsAre(2.0F, 'f', 5.0F, 6.0F));
}

TEST_F(TextFlowTest, StagesOfATextAddUpToItsTime) {
  MakeWithTexts(4);
  const ItemResult item = EmbedTexts({"cat"}).items[0];
  Clock::duration sum{};
  for (const StageBorders& row : StagesOf(ItemKind::kText)) {
    EXPECT_GE(item.times.Micros(row.stage), 0) << StageName(row.stage);
    sum += item.times.At(row.end) - item.times.At(row.begin);
  }
  EXPECT_EQ(sum, item.times.At(Border::kCollected) - item.times.At(Border::kAdmitted));
  for (const Stage stage :
       {Stage::kFetch, Stage::kDecodeWait, Stage::kDecode, Stage::kPreprocess, Stage::kEncode}) {
    EXPECT_EQ(item.times.Micros(stage), -1) << StageName(stage);
  }
}

TEST_F(TextFlowTest, WhatIsBehindTheEndOfATextIsNotComputed) {
  MakeWithTexts(4);
  const RequestResult result = EmbedTexts({"ab$cd"}, Raw());
  EXPECT_THAT(result.items[0].embedding, ElementsAre(3.0F, 'a', 5.0F, 6.0F));
  EXPECT_EQ(result.items[0].tokens, 3);
}

TEST_F(TextFlowTest, BadTextsFailAlone) {
  MakeWithTexts(4);
  const RequestResult result = EmbedTexts({"bad", "good", "throw", "odd"});
  EXPECT_THAT(Codes(result), ElementsAre(Code::kInvalidRequest, Code::kOk, Code::kInternal, Code::kInternal));
  EXPECT_THAT(result.items[3].status.message(), HasSubstr("outside of its vocabulary"));
}

TEST_F(TextFlowTest, AModelWithoutATowerSaysSo) {
  Make(4);
  const RequestResult result = EmbedTexts({"cat"});
  EXPECT_THAT(Codes(result), ElementsAre(Code::kInvalidRequest));
  EXPECT_THAT(result.items[0].status.message(), HasSubstr("'clip' takes images alone: it has no text tower"));
}

TEST_F(TextFlowTest, TextsAreNotHeldUpByPhotosThatWaitForDecoders) {
  MakeWithTexts(4);
  decoders.gate.Close();
  Answer photos;
  auto blocked = Open(photos);
  for (int i = 0; i < 100; ++i) blocked->Add(Photo("photo"));
  EXPECT_THAT(Codes(EmbedTexts({"cat"})), ElementsAre(Code::kOk)) << "while no photo was decoded";
  EXPECT_FALSE(photos.Answered());
  decoders.gate.Open();
  blocked->Finish();
  EXPECT_EQ(photos.Get().items.size(), 100U);
}

// Images saturate the only stream: a text waits for the batch that runs, and is in the next one.
TEST_F(TextFlowTest, ATextWaitsForOneRunningBatchOfImages) {
  MakeWithTexts(4);
  encoder().gate.Close();
  Answer photos, texts;
  auto many = Open(photos);
  for (int i = 0; i < 100; ++i) many->Add(Photo("photo"));
  encoder().AwaitBatches(1);
  registry.Sample();
  auto one = Open(texts);
  one->Add(Text{"cat"});
  one->Finish();
  AwaitGauge(Queue("text_batch"), 1);
  encoder().gate.LetIn();
  encoder().AwaitBatches(2);
  EXPECT_THAT(encoder().batches()[1], ElementsAre("~cat$"));
  encoder().gate.Open();
  many->Finish();
  EXPECT_THAT(Codes(texts.Get()), ElementsAre(Code::kOk));
  EXPECT_EQ(photos.Get().items.size(), 100U);
}

TEST_F(TextFlowTest, CancelledTextsLeaveBothQueues) {
  MakeWithTexts(4);
  encoder().gate.Close();
  Answer blocker, waiting;
  auto first = Open(blocker);
  first->Add(Text{"a"});
  encoder().AwaitBatches(1);
  auto request = Open(waiting);
  request->Add(Text{"b"});
  AwaitGauge(Queue("text_batch"), 1);
  tokenizers.Close();
  for (int i = 0; i < 3; ++i) request->Add(Text{"c"});  // two are at the gate, one waits
  tokenizers.AwaitArrivals(4);
  request->Cancel();
  AwaitGauge("photovec_texts_dropped_total,model=clip,queue=tokenize", 1);
  tokenizers.Open();
  encoder().gate.Open();
  first->Finish();
  request->Finish();
  EXPECT_THAT(Codes(waiting.Get()), ::testing::Each(Code::kCancelled));
  EXPECT_THAT(Codes(blocker.Get()), ElementsAre(Code::kOk));
  EXPECT_EQ(registry.Value("photovec_texts_dropped_total,model=clip,queue=batch"), 3);
}

TEST_F(TextFlowTest, MetricsOfTextsAreTheirOwn) {
  MakeWithTexts(4);
  EmbedTexts({"cat", "bad"});
  EXPECT_EQ(registry.Value("photovec_texts_total,model=clip,code=ok"), 1);
  EXPECT_EQ(registry.Value("photovec_texts_total,model=clip,code=invalid_request"), 1);
  EXPECT_EQ(registry.Value("photovec_text_tokens_total,model=clip"), 4);
  EXPECT_EQ(registry.Count("photovec_text_stage_seconds,model=clip,stage=encode_text"), 1);
  EXPECT_EQ(registry.Count("photovec_text_stage_seconds,model=clip,stage=tokenize"), 1);
  EXPECT_EQ(registry.Count("photovec_text_batch_size,model=clip"), 1);
  EXPECT_FALSE(registry.Has("photovec_images_total,model=clip,code=ok"));
  EXPECT_EQ(registry.Count("photovec_batch_size,model=clip"), 0);
}

TEST_F(TextFlowTest, ARepeatComesFromTheCacheWithItsTokens) {
  options.cache_bytes = 1 << 20;
  MakeWithTexts(4);
  const ItemResult first = EmbedTexts({"cat"}).items[0];
  const ItemResult second = EmbedTexts({"cat"}).items[0];
  EXPECT_FALSE(first.trail.cached);
  EXPECT_TRUE(second.trail.cached);
  EXPECT_EQ(second.embedding, first.embedding);
  EXPECT_EQ(second.tokens, 4);
  EXPECT_EQ(encoder().batches().size(), 1U);
}

TEST_F(TextFlowTest, TowerAndTokenizerMustFit) {
  const auto create = [&](encode::TextInfo tower, bool pads) {
    std::vector<ModelSetup> setups;
    setups.push_back(Setup("clip", std::make_unique<testing::FakeEncoder>(4, 1, 1, tower)));
    setups.back().tokenizer = std::make_unique<testing::FakeTokenizer>(nullptr, pads);
    return Pipeline::Create(std::move(setups), fetcher, Factory(), registry, options).status().message();
  };
  encode::TextInfo tower = kTexts;
  EXPECT_EQ(create(tower, false), "");
  tower.max_tokens = 31;
  EXPECT_THAT(create(tower, false), HasSubstr("gives up to 32 tokens, but the text tower takes 31"));
  tower = kTexts;
  tower.causal = false;
  EXPECT_EQ(create(tower, true), "");
  EXPECT_THAT(create(tower, false), HasSubstr("with padding"));
  tower.max_batch_tokens = 31;
  EXPECT_THAT(create(tower, true), HasSubstr("no text of full length"));
}

}  // namespace
}  // namespace photovec::pipeline
