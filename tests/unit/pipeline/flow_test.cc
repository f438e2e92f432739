// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "unit/pipeline/fixture.h"

namespace photovec::pipeline {
namespace {

using testing::Answer;
using ::testing::Contains;
using ::testing::ElementsAre;
using testing::FakeEncoder;
using ::testing::FloatNear;
using ::testing::HasSubstr;
using testing::Photo;
using testing::PipelineFixture;

class FlowTest : public PipelineFixture {};

TEST_F(FlowTest, ResultsComeInTheOrderOfAdd) {
  Make(3, 2);
  std::vector<std::string> photos;
  for (int i = 1; i <= 50; ++i) photos.emplace_back(static_cast<size_t>(i), 'x');
  RequestOptions raw;
  raw.normalize = false;
  const RequestResult result = Embed(photos, raw);
  ASSERT_EQ(result.items.size(), 50U);
  for (size_t i = 0; i < 50; ++i) {
    ASSERT_TRUE(result.items[i].status.ok());
    EXPECT_THAT(result.items[i].embedding, ElementsAre(static_cast<float>(i + 1), 120.0F, 3.0F, 4.0F));
  }
}

TEST_F(FlowTest, NormalisesToLengthOneUnlessAskedNotTo) {
  Make(4);
  const auto vector = Embed({"a"}).items[0].embedding;  // [1, 97, 3, 4]
  const float norm = std::sqrt(1.0F + 97.0F * 97.0F + 9.0F + 16.0F);
  EXPECT_THAT(vector, ElementsAre(FloatNear(1 / norm, 1e-7F), FloatNear(97 / norm, 1e-7F),
                                  FloatNear(3 / norm, 1e-7F), FloatNear(4 / norm, 1e-7F)));
}

TEST_F(FlowTest, StagesOfAnImageAddUpToItsTime) {
  Make(4);
  fetcher.automatic = true;
  Answer answer;
  auto request = Open(answer);
  request->Add(Photo("upload"));
  request->Add(Reference{"fetched"});
  request->Finish();
  const RequestResult result = answer.Get();
  for (const ItemResult& item : result.items) {
    ASSERT_TRUE(item.status.ok());
    Clock::duration sum{};
    for (int b = 0; b < kBorderCount; ++b) {
      ASSERT_TRUE(item.times.Has(static_cast<Border>(b))) << b;
      if (b == 0) continue;
      const auto stage = item.times.At(static_cast<Border>(b)) - item.times.At(static_cast<Border>(b - 1));
      EXPECT_GE(stage.count(), 0) << StageName(static_cast<Stage>(b - 1));
      sum += stage;
    }
    EXPECT_EQ(sum, item.times.At(Border::kCollected) - item.times.At(Border::kAdmitted));
    EXPECT_LE(item.times.At(Border::kCollected), result.finished);
    EXPECT_GE(item.times.At(Border::kAdmitted), result.started);
  }
  EXPECT_EQ(result.items[0].times.At(Border::kFetchEnd), result.items[0].times.At(Border::kAdmitted));
}

TEST_F(FlowTest, ImagesEnterAsTheyAreAdded) {
  Make(4);
  Answer answer;
  auto request = Open(answer);
  request->Add(Photo("first"));
  encoder().AwaitBatches(1);  // before Finish, and before the second photo is there
  request->Add(Photo("second"));
  encoder().AwaitBatches(2);
  EXPECT_EQ(request->size(), 2U);
  EXPECT_FALSE(answer.Answered());
  request->Finish();
  EXPECT_EQ(answer.Get().items.size(), 2U);
}

TEST_F(FlowTest, TwoRequestsShareABatch) {
  Make(4);
  encoder().gate.Close();
  Answer blocker, a, b;
  auto blocking = Open(blocker);
  blocking->Add(Photo("blocker"));
  encoder().AwaitBatches(1);
  auto first = Open(a);
  auto second = Open(b);
  first->Add(Photo("a"));
  second->Add(Photo("b"));
  AwaitGauge(Queue("batch"), 2);
  encoder().gate.Open();
  for (auto* request : {&blocking, &first, &second}) (*request)->Finish();
  EXPECT_TRUE(a.Get().items[0].status.ok());
  EXPECT_TRUE(b.Get().items[0].status.ok());
  const auto batches = encoder().batches();
  ASSERT_EQ(batches.size(), 2U);
  EXPECT_THAT(batches[1], ::testing::UnorderedElementsAre("a", "b"));
}

TEST_F(FlowTest, AThousandImagesDoNotStarveOne) {
  Make(4);
  encoder().gate.Close();
  Answer big, small;
  auto thousand = Open(big);
  for (int i = 0; i < 1000; ++i) thousand->Add(Photo("big"));
  encoder().AwaitBatches(1);
  AwaitGauge(Queue("batch"), 10.0 - static_cast<double>(encoder().batches()[0].size()));
  auto next_batch = [&, started = size_t{1}]() mutable {
    encoder().gate.LetIn();
    encoder().AwaitBatches(++started);
    // 10 slots less those being encoded: the decoders have come to rest. A slow machine makes bulk batches
    // short.
    AwaitGauge(Queue("batch"), 10.0 - static_cast<double>(encoder().batches().back().size()));
  };
  next_batch();  // now the big request has every slot
  auto one = Open(small);
  one->Add(Photo("small"));
  one->Finish();
  // The streams may take batch 3 before a slot that batch 2 frees holds the small photo, but not batch 4.
  next_batch();
  next_batch();
  next_batch();
  ASSERT_TRUE(small.Answered());
  EXPECT_TRUE(small.Get().items[0].status.ok());
  const auto batches = encoder().batches();
  EXPECT_TRUE(std::any_of(batches.begin(), batches.begin() + 4, [](const auto& batch) {
    return std::find(batch.begin(), batch.end(), "small") != batch.end();
  }));
  encoder().gate.Open();
  thousand->Finish();
  EXPECT_EQ(big.Get().items.size(), 1000U);
}

TEST_F(FlowTest, ErrorsBelongToImages) {
  Make(8);
  const RequestResult result = Embed({"good", "corrupt", "nan", "throw", "zero", "fine"});
  EXPECT_THAT(Codes(result), ElementsAre(Code::kOk, Code::kImageCorrupt, Code::kNanEmbedding, Code::kInternal,
                                         Code::kNanEmbedding, Code::kOk));
  EXPECT_THAT(result.items[3].status.message(), HasSubstr("bad codec"));
  EXPECT_TRUE(result.items[1].embedding.empty());
  EXPECT_TRUE(result.items[4].embedding.empty());
  EXPECT_FALSE(result.items[1].times.Has(Border::kDecodeEnd));
  EXPECT_TRUE(result.items[1].times.Has(Border::kCollected));
}

TEST_F(FlowTest, AddFailedKeepsTheIndices) {
  Make(4);
  Answer answer;
  auto request = Open(answer);
  request->Add(Photo("a"));
  request->AddFailed(Status(Code::kBodyTooLarge, "the part is too large"));
  request->Add(Photo("b"));
  request->Finish();
  EXPECT_THAT(Codes(answer.Get()), ElementsAre(Code::kOk, Code::kBodyTooLarge, Code::kOk));
}

TEST_F(FlowTest, AnEmptyRequestIsAnsweredInsideFinish) {
  Make(4);
  Answer answer;
  Open(answer)->Finish();
  EXPECT_TRUE(answer.Answered());
  EXPECT_TRUE(answer.Get().items.empty());
}

TEST_F(FlowTest, MoreImagesThanAllowedFailAsInvalid) {
  options.max_items_per_request = 2;
  Make(4);
  const RequestResult result = Embed({"a", "b", "c"});
  EXPECT_THAT(Codes(result), ElementsAre(Code::kOk, Code::kOk, Code::kInvalidRequest));
  EXPECT_THAT(result.items[2].status.message(), HasSubstr("at most 2 images"));
}

TEST_F(FlowTest, SquashUsesItsOwnSpecAndExactDecoding) {
  Make(4);
  RequestOptions squash;
  squash.preprocessing = Preprocessing::kReplacedService;
  Embed({"a"}, squash);
  Embed({"b"});
  EXPECT_THAT(decoders.modes,
              ElementsAre(std::pair(preprocess::ResizeMode::kSquash, decode::JpegScaling::kExact),
                          std::pair(preprocess::ResizeMode::kShortestEdge, decode::JpegScaling::kFast)));
}

TEST_F(FlowTest, BytesAreLetGoAsSoonAsTheyAreDecoded) {
  Make(4);
  encoder().gate.Close();
  auto reservation = pipe->budget().TryReserve(1000);
  ASSERT_TRUE(reservation.has_value());
  auto text = std::make_shared<std::pair<std::string, Reservation>>("photo", std::move(*reservation));
  const std::span view(reinterpret_cast<const uint8_t*>(text->first.data()), text->first.size());
  Answer answer;
  auto request = Open(answer);
  request->Add(Bytes(std::move(text), view));
  encoder().AwaitBatches(1);
  EXPECT_EQ(pipe->budget().used(), 0U) << "still being encoded, but its bytes are gone";
  request->Finish();
  encoder().gate.Open();
  answer.Get();
}

TEST_F(FlowTest, DoneMayOpenTheNextRequest) {
  Make(2);
  std::promise<int> last;
  std::function<void(int)> chain = [&](int left) {
    if (left == 0) return last.set_value(0);
    auto request = pipe->Open({}, [&, left](RequestResult result) {
      EXPECT_TRUE(result.items[0].status.ok());
      chain(left - 1);
    });
    ASSERT_TRUE(request.ok());
    (*request)->Add(Photo("a"));
    (*request)->Finish();
  };
  chain(200);
  last.get_future().get();
}

TEST_F(FlowTest, AThrowingDoneHurtsNobody) {
  Make(2);
  auto request = pipe->Open({}, [](RequestResult) { throw std::runtime_error("client bug"); });
  (*request)->Add(Photo("a"));
  (*request)->Finish();
  EXPECT_TRUE(Embed({"b"}).items[0].status.ok());
}

TEST_F(FlowTest, OnlyTheFirstFinishCounts) {
  Make(2);
  Answer answer;
  auto request = Open(answer);
  request->Add(Photo("a"));
  request->Finish();
  answer.Get();
  request->Finish();
  request->Add(Photo("late"));
  EXPECT_EQ(answer.calls(), 1);
  EXPECT_EQ(request->size(), 1U);
}

class ModelsTest : public PipelineFixture {
 protected:
  void MakeTwo() {
    std::vector<std::unique_ptr<FakeEncoder>> made;
    made.push_back(std::make_unique<FakeEncoder>(2));
    made.push_back(std::make_unique<FakeEncoder>(2));
    Make(std::move(made));
  }
  static RequestOptions For(int model) {
    RequestOptions options;
    options.model = model;
    return options;
  }
};

TEST_F(ModelsTest, AreFoundByNameAndTheFirstIsTheDefault) {
  MakeTwo();
  EXPECT_EQ(pipe->models().size(), 2U);
  EXPECT_EQ(pipe->FindModel("")->name, "clip");
  EXPECT_EQ(pipe->FindModel("clip2")->fingerprint, "f-clip2");
  EXPECT_EQ(pipe->FindModel("clip2")->info->embedding_dim, FakeEncoder::kDim);
  EXPECT_FALSE(pipe->FindModel("clip3").has_value());
  Embed({"one"});
  Embed({"two"}, For(1));
  EXPECT_THAT(encoders[0]->batches(), ElementsAre(ElementsAre("one")));
  EXPECT_THAT(encoders[1]->batches(), ElementsAre(ElementsAre("two")));
}

// Clients' names are looked up by FindModel; an index that it never gave is a bug of the caller.
TEST_F(ModelsTest, AnIndexThatIsNoneIsRefused) {
  MakeTwo();
  for (const int model : {-1, 2}) {
    const auto opened = pipe->Open(For(model), [](RequestResult) {});
    EXPECT_EQ(opened.status().code(), Code::kInternal);
  }
}

TEST_F(ModelsTest, AStuckModelHoldsUpNobodyElse) {
  MakeTwo();
  fetcher.automatic = true;
  encoders[0]->gate.Close();
  Answer stuck;
  auto request = Open(stuck, For(0));
  for (int i = 0; i < 200; ++i) request->Add(Photo("upload"));
  for (int i = 0; i < 200; ++i) request->Add(Reference{"fetched"});
  AwaitGauge("photovec_slots_free,model=clip", 0);
  Answer lively;
  auto other = Open(lively, For(1));
  for (int i = 0; i < 20; ++i) other->Add(i % 2 == 0 ? Source(Photo("a")) : Source(Reference{"b"}));
  other->Finish();
  for (const ItemResult& item : lively.Get().items) EXPECT_TRUE(item.status.ok());
  EXPECT_FALSE(stuck.Answered());
  encoders[0]->gate.Open();
  request->Finish();
  EXPECT_EQ(stuck.Get().items.size(), 400U);
}

TEST_F(ModelsTest, BadSetupsAreRefused) {
  const auto create = [&](std::vector<ModelSetup> setups) {
    return Pipeline::Create(std::move(setups), fetcher, Factory(), registry, options).status();
  };
  EXPECT_EQ(create({}).code(), Code::kInvalidRequest);
  std::vector<ModelSetup> twins;
  twins.push_back(Setup("clip", std::make_unique<FakeEncoder>(2)));
  twins.push_back(Setup("clip", std::make_unique<FakeEncoder>(2)));
  EXPECT_THAT(create(std::move(twins)).message(), HasSubstr("two models are called 'clip'"));
  std::vector<ModelSetup> mismatched;
  mismatched.push_back(Setup("clip", std::make_unique<FakeEncoder>(2)));
  mismatched[0].spec.crop = 336;
  EXPECT_THAT(create(std::move(mismatched)).message(), HasSubstr("336"));
}

TEST_F(ModelsTest, DefaultsAreFilledIn) {
  options = {};
  Make(4, 2, 2);
  EXPECT_GE(pipe->options().decoders, 1);
  EXPECT_GT(pipe->options().memory_budget_bytes, 0U);
  EXPECT_LE(pipe->options().memory_budget_bytes, 2ULL << 30);
  EXPECT_EQ(pipe->budget().limit(), pipe->options().memory_budget_bytes);
  registry.Sample();
  EXPECT_EQ(registry.Value("photovec_slots_free,model=clip"), (2 * 2 + 1) * 4 + pipe->options().decoders);
}

}  // namespace
}  // namespace photovec::pipeline
