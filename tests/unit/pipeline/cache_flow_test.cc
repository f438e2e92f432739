// SPDX-License-Identifier: MIT
// The result cache inside the pipeline: what is answered from it, and what is not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "pipeline/result_cache.h"
#include "unit/pipeline/fixture.h"

namespace photovec::pipeline {
namespace {

using testing::Answer;
using ::testing::ElementsAre;
using testing::FakeEncoder;
using testing::Photo;
using testing::PipelineFixture;
using ::testing::UnorderedElementsAre;

class CacheFlowTest : public PipelineFixture {
 protected:
  CacheFlowTest() { options.cache_bytes = uint64_t{1} << 20; }

  double Hits(const std::string& model = "clip") {
    return registry.Value("photovec_cache_hits_total,model=" + model);
  }
  double Misses(const std::string& model = "clip") {
    return registry.Value("photovec_cache_misses_total,model=" + model);
  }
  static std::vector<bool> Cached(const RequestResult& result) {
    std::vector<bool> cached;
    for (const ItemResult& item : result.items) cached.push_back(item.trail.cached);
    return cached;
  }
  static RequestOptions Raw() {
    RequestOptions raw;
    raw.normalize = false;
    return raw;
  }
  static bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
  }
};

TEST_F(CacheFlowTest, ARepeatIsNeitherDecodedNorEncodedAndHasTheSameBits) {
  Make(4);
  const RequestResult fresh = Embed({"a", "bb"});
  EXPECT_THAT(Cached(fresh), ElementsAre(false, false));
  const RequestResult again = Embed({"bb", "a", "ccc"});
  EXPECT_THAT(Cached(again), ElementsAre(true, true, false));
  EXPECT_TRUE(SameBits(again.items[0].embedding, fresh.items[1].embedding));
  EXPECT_TRUE(SameBits(again.items[1].embedding, fresh.items[0].embedding));
  EXPECT_FALSE(SameBits(again.items[0].embedding, again.items[1].embedding));
  EXPECT_THAT(decoders.Decoded(), UnorderedElementsAre("a", "bb", "ccc"));
  EXPECT_EQ(Hits(), 2);
  EXPECT_EQ(Misses(), 3);
  for (const ItemResult& item : again.items) EXPECT_TRUE(item.trail.looked_up);
  EXPECT_EQ(again.items[0].trail.decoder, -1);
  EXPECT_EQ(again.items[0].trail.stream, -1);
}

TEST_F(CacheFlowTest, TheServersOwnPhotoIsEncodedEachTimeAndNotCounted) {
  Make(4);
  EXPECT_EQ(pipe->LastEncoded(0), TimePoint{});
  Embed({"a"});
  const TimePoint first = pipe->LastEncoded(0);
  EXPECT_GT(first, TimePoint{});
  RequestOptions own;
  own.self_test = true;
  const RequestResult result = Embed({"a"}, own);
  EXPECT_THAT(Codes(result), ElementsAre(Code::kOk));
  EXPECT_THAT(Cached(result), ElementsAre(false));
  EXPECT_THAT(decoders.Decoded(), ElementsAre("a", "a"));
  EXPECT_GT(pipe->LastEncoded(0), first);
  EXPECT_EQ(registry.Value("photovec_images_total,model=clip,code=ok"), 1);
  EXPECT_EQ(Hits() + Misses(), 1);
}

TEST_F(CacheFlowTest, ReferencesAndUploadsOfTheSameBytesShareAVector) {
  Make(4);
  fetcher.automatic = true;
  Embed({"photo"});
  Answer answer;
  auto request = Open(answer);
  request->Add(Reference{"photo"});  // the fetcher answers with its text
  request->Finish();
  const RequestResult result = answer.Get();
  EXPECT_THAT(Cached(result), ElementsAre(true));
  EXPECT_TRUE(result.items[0].trail.by_reference);
}

TEST_F(CacheFlowTest, WithoutOneNothingIsLookedUp) {
  options.cache_bytes = 0;
  Make(4);
  Embed({"a"});
  const RequestResult again = Embed({"a"});
  EXPECT_FALSE(again.items[0].trail.looked_up);
  EXPECT_FALSE(again.items[0].trail.cached);
  EXPECT_THAT(decoders.Decoded(), ElementsAre("a", "a"));
  registry.Sample();
  for (const char* name : {"hits_total,model=clip", "misses_total,model=clip", "bytes", "limit_bytes",
                           "entries", "evictions_total"}) {
    EXPECT_FALSE(registry.Has(std::string("photovec_cache_") + name)) << name;
  }
}

TEST_F(CacheFlowTest, WhetherToNormaliseIsDecidedAtEachAnswer) {
  Make(4);
  const auto unit = Embed({"a"}).items[0].embedding;
  const RequestResult raw = Embed({"a"}, Raw());
  EXPECT_THAT(Cached(raw), ElementsAre(true));
  EXPECT_THAT(raw.items[0].embedding, ElementsAre(1.0F, 97.0F, 3.0F, 4.0F));
  Embed({"b"}, Raw());
  const RequestResult normalised = Embed({"b", "a"});
  EXPECT_THAT(Cached(normalised), ElementsAre(true, true));
  EXPECT_TRUE(SameBits(normalised.items[1].embedding, unit));
  double squares = 0;
  for (const float value : normalised.items[0].embedding) squares += double{value} * double{value};
  EXPECT_NEAR(squares, 1.0, 1e-6);
}

TEST_F(CacheFlowTest, SquashedPhotosAndModelsAreApart) {
  std::vector<std::unique_ptr<FakeEncoder>> made;
  made.push_back(std::make_unique<FakeEncoder>(2));
  made.push_back(std::make_unique<FakeEncoder>(2));
  Make(std::move(made));
  RequestOptions squash;
  squash.preprocessing = Preprocessing::kReplacedService;
  RequestOptions second;
  second.model = 1;
  for (const bool repeat : {false, true}) {
    EXPECT_THAT(Cached(Embed({"a"})), ElementsAre(repeat));
    EXPECT_THAT(Cached(Embed({"a"}, squash)), ElementsAre(repeat));
    EXPECT_THAT(Cached(Embed({"a"}, second)), ElementsAre(repeat));
  }
  EXPECT_EQ(decoders.Decoded().size(), 3U);
  EXPECT_EQ(Hits("clip"), 2);
  EXPECT_EQ(Misses("clip"), 2);
  EXPECT_EQ(Hits("clip2"), 1);
  EXPECT_EQ(Misses("clip2"), 1);
}

TEST_F(CacheFlowTest, FailuresAreNotKept) {
  Make(4);
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(Codes(Embed({"corrupt"})), ElementsAre(Code::kImageCorrupt));
    EXPECT_THAT(Codes(Embed({"nan"})), ElementsAre(Code::kNanEmbedding));
    EXPECT_THAT(Codes(Embed({"zero"})), ElementsAre(Code::kNanEmbedding));
    encoder().FailWait(Status(Code::kInternal, "a bad batch"));
    EXPECT_THAT(Codes(Embed({"photo"})), ElementsAre(Code::kInternal));
    encoder().FailWait(Status::Ok());
  }
  EXPECT_EQ(decoders.Decoded().size(), 8U);
  EXPECT_EQ(Hits(), 0);
  EXPECT_EQ(Misses(), 8);
  EXPECT_THAT(Codes(Embed({"photo"})), ElementsAre(Code::kOk));
}

TEST_F(CacheFlowTest, AHitNeedsNoSlotAndNoStream) {
  options.slots_per_model = 1;
  options.decoders = 1;
  Make(1);
  Embed({"hot"});
  encoder().gate.Close();
  Answer stuck;
  auto large = Open(stuck);
  for (int i = 0; i < 100; ++i) large->Add(Photo("cold " + std::to_string(i)));
  AwaitGauge(Queue("decode"), 99);
  const RequestResult hit = Embed({"hot"});  // every slot is taken, and no stream moves
  EXPECT_THAT(Cached(hit), ElementsAre(true));
  EXPECT_FALSE(stuck.Answered());
  encoder().gate.Open();
  large->Finish();
  for (const ItemResult& item : stuck.Get().items) EXPECT_TRUE(item.status.ok());
}

// With one decoder everything happens in a known order.
TEST_F(CacheFlowTest, LookupsOfALargeRequestDoNotKeepADecoderFromDecoding) {
  options.decoders = 1;
  Make(4);
  decoders.gate.Close();
  Answer answer;
  auto request = Open(answer);
  request->Add(Photo("first"));
  decoders.gate.AwaitArrivals(1);
  for (int i = 0; i < 100; ++i) request->Add(Photo("photo " + std::to_string(i)));
  decoders.gate.LetIn();
  decoders.gate.AwaitArrivals(2);
  EXPECT_EQ(Misses(), 9) << "the first, and eight before the next decode";
  decoders.gate.LetIn();
  decoders.gate.AwaitArrivals(3);
  EXPECT_EQ(Misses(), 17);
  decoders.gate.Open();
  request->Finish();
  EXPECT_EQ(answer.Get().items.size(), 101U);
}

TEST_F(CacheFlowTest, CancelledPhotosLeaveNothingBehind) {
  options.decoders = 1;
  Make(1);
  decoders.gate.Close();
  Answer first, second;
  auto blocking = Open(first);
  blocking->Add(Photo("blocker"));
  decoders.gate.AwaitArrivals(1);
  auto given_up = Open(second);
  for (const char* text : {"x", "y"}) given_up->Add(Photo(text));
  given_up->Finish();
  AwaitGauge(Queue("decode"), 2);
  given_up->Cancel();
  const RequestResult cancelled = second.Get();  // while the only decoder is busy
  EXPECT_THAT(Codes(cancelled), ElementsAre(Code::kCancelled, Code::kCancelled));
  EXPECT_FALSE(cancelled.items[0].trail.looked_up);
  AwaitGauge(Queue("decode"), 0);
  decoders.gate.Open();
  blocking->Finish();
  first.Get();
  EXPECT_EQ(Misses(), 1);
  EXPECT_THAT(Cached(Embed({"x"})), ElementsAre(false));
}

TEST_F(CacheFlowTest, APhotoGivenUpAfterItsLookupLeavesTheQueue) {
  options.slots_per_model = 1;
  options.decoders = 1;
  Make(1);
  encoder().gate.Close();
  Answer first, second;
  auto blocking = Open(first);
  blocking->Add(Photo("blocker"));
  encoder().AwaitBatches(1);
  auto given_up = Open(second);
  given_up->Add(Photo("x"));
  given_up->Finish();
  while (Misses() < 2) std::this_thread::yield();
  AwaitGauge(Queue("decode"), 1);
  given_up->Cancel();
  EXPECT_THAT(Codes(second.Get()), ElementsAre(Code::kCancelled));
  AwaitGauge(Queue("decode"), 0);
  encoder().gate.Open();
  blocking->Finish();
  first.Get();
}

TEST_F(CacheFlowTest, TheTimesOfAHitAddUpWithoutTheStagesThatItWasSpared) {
  Make(4);
  fetcher.automatic = true;
  Embed({"a"});
  Answer answer;
  auto request = Open(answer);
  request->Add(Reference{"a"});
  request->Finish();
  const RequestResult result = answer.Get();
  const StageTimes& times = result.items[0].times;
  for (const Border border :
       {Border::kDecodeEnd, Border::kPreprocessEnd, Border::kEncodeStart, Border::kEncodeEnd}) {
    EXPECT_FALSE(times.Has(border));
  }
  Border last = Border::kAdmitted;
  for (const Border border :
       {Border::kFetchStart, Border::kFetchEnd, Border::kDecodeStart, Border::kCollected}) {
    ASSERT_TRUE(times.Has(border));
    EXPECT_GE(times.At(border), times.At(last));
    last = border;
  }
  const auto count = [&](const std::string& stage) {
    return registry.Count("photovec_image_stage_seconds,model=clip,stage=" + stage);
  };
  EXPECT_EQ(count("decode_wait"), 2);
  EXPECT_EQ(count("fetch"), 1);
  for (const char* stage : {"decode", "preprocess", "batch_wait", "encode", "collect"}) {
    EXPECT_EQ(count(stage), 1) << stage;
  }
  EXPECT_EQ(registry.Value("photovec_images_total,model=clip,code=ok"), 2);
  EXPECT_EQ(registry.Count("photovec_request_stage_seconds,model=clip,stage=first_vector"), 2);
  EXPECT_EQ(registry.Count("photovec_request_stage_seconds,model=clip,stage=embed"), 1);
}

TEST_F(CacheFlowTest, TheGaugesSayWhatItHolds) {
  options.cache_bytes = 4096;
  Make(4);
  Embed({"a", "b"});
  registry.Sample();
  EXPECT_EQ(registry.Value("photovec_cache_entries"), 2);
  EXPECT_EQ(registry.Value("photovec_cache_limit_bytes"), 4096);
  EXPECT_EQ(registry.Value("photovec_cache_bytes"), 2.0 * static_cast<double>(ResultCache::EntryBytes(4)));
  EXPECT_EQ(registry.Value("photovec_cache_evictions_total"), 0);
  std::vector<std::string> many;
  for (int i = 0; i < 100; ++i) many.push_back("photo " + std::to_string(i));
  Embed(many);
  registry.Sample();
  EXPECT_LE(registry.Value("photovec_cache_bytes"), 4096);
  EXPECT_EQ(registry.Value("photovec_cache_entries") + registry.Value("photovec_cache_evictions_total"), 102);
}

TEST_F(CacheFlowTest, AHitGivesItsBytesBack) {
  options.memory_budget_bytes = 1000;
  Make(2);
  const auto paid_photo = [&] {
    auto reservation = std::make_shared<Reservation>(*pipe->budget().TryReserve(800));
    auto text = std::make_shared<std::pair<std::shared_ptr<Reservation>, std::string>>(reservation, "photo");
    const std::span<const uint8_t> view(reinterpret_cast<const uint8_t*>(text->second.data()), 5);
    return Bytes(std::move(text), view);
  };
  for (const bool repeat : {false, true}) {
    Answer answer;
    auto request = Open(answer);
    request->Add(paid_photo());
    request->Finish();
    EXPECT_THAT(Cached(answer.Get()), ElementsAre(repeat));
    EXPECT_EQ(pipe->budget().used(), 0U);
  }
}

}  // namespace
}  // namespace photovec::pipeline
