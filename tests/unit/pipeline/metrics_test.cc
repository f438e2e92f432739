// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "pipeline/model_metrics.h"
#include "pipeline/request_stages.h"
#include "unit/pipeline/fixture.h"

namespace photovec::pipeline {
namespace {

using testing::Answer;
using ::testing::ElementsAre;
using testing::Photo;
using testing::PipelineFixture;

std::string ImageStage(std::string_view stage) {
  return "photovec_image_stage_seconds,model=clip,stage=" + std::string(stage);
}
std::string RequestStageKey(std::string_view stage) {
  return "photovec_request_stage_seconds,model=clip,stage=" + std::string(stage);
}
std::string Images(const std::string& code) { return "photovec_images_total,model=clip,code=" + code; }

class PipelineMetricsTest : public PipelineFixture {};

TEST_F(PipelineMetricsTest, EveryImageIsCountedInEachStageThatItWentThrough) {
  Make(8);
  fetcher.automatic = true;
  Answer answer;
  auto request = Open(answer);
  for (const char* text : {"a", "b", "corrupt"}) request->Add(Photo(text));
  for (const char* text : {"c", "missing"}) request->Add(Reference{text});
  request->Finish();
  answer.Get();
  EXPECT_EQ(registry.Value(Images("ok")), 3);
  EXPECT_EQ(registry.Value(Images("image_corrupt")), 1);
  EXPECT_EQ(registry.Value(Images("not_found")), 1);
  EXPECT_FALSE(registry.Has(Images("internal"))) << "codes that never occurred are not exported";
  EXPECT_EQ(registry.Count(ImageStage("admit_wait")), 2) << "references only";
  EXPECT_EQ(registry.Count(ImageStage("fetch")), 2);
  EXPECT_EQ(registry.Count(ImageStage("decode_wait")), 4);
  EXPECT_EQ(registry.Count(ImageStage("decode")), 3);
  EXPECT_EQ(registry.Count(ImageStage("preprocess")), 3);
  EXPECT_EQ(registry.Count(ImageStage("batch_wait")), 3);
  EXPECT_EQ(registry.Count(ImageStage("encode")), 3);
  EXPECT_EQ(registry.Count(ImageStage("collect")), 3);
  for (const char* stage : {"load_decode", "first_vector", "embed", "total"}) {
    EXPECT_EQ(registry.Count(RequestStageKey(stage)), 1) << stage;
  }
}

TEST_F(PipelineMetricsTest, GaugesShowWhereImagesWait) {
  options.slots_per_model = 3;
  options.decoders = 1;
  Make(1);
  encoder().gate.Close();
  Answer answer;
  auto request = Open(answer);
  for (int i = 0; i < 10; ++i) request->Add(Photo("a"));
  AwaitGauge(Queue("batch"), 2);
  AwaitGauge(Queue("decode"), 7);
  EXPECT_EQ(registry.Value("photovec_slots_free,model=clip"), 0);
  EXPECT_EQ(registry.Value("photovec_requests_in_flight"), 1);
  EXPECT_EQ(registry.Value("photovec_memory_budget_limit_bytes"), static_cast<double>(1ULL << 30));
  const auto reservation = pipe->budget().TryReserve(77);
  AwaitGauge("photovec_memory_budget_used_bytes", 77);
  encoder().gate.Open();
  request->Finish();
  answer.Get();
  AwaitGauge("photovec_requests_in_flight", 0);
  EXPECT_EQ(registry.Value(Queue("batch")), 0);
  AwaitGauge("photovec_slots_free,model=clip", 3);
  EXPECT_EQ(registry.Count("photovec_batch_size,model=clip"), 10);
}

TEST_F(PipelineMetricsTest, TheRealRegistryExportsThem) {
  const auto real = metrics::Registry::Create();
  std::vector<ModelSetup> setups;
  setups.push_back(Setup("clip", std::make_unique<testing::FakeEncoder>(4)));
  pipe = Pipeline::Create(std::move(setups), fetcher, Factory(), *real, options).value();
  Embed({"a", "corrupt"});
  const std::string text = real->PrometheusText();
  for (const char* line :
       {"photovec_images_total{code=\"ok\",model=\"clip\"} 1", "photovec_images_total{code=\"image_corrupt\"",
        "photovec_image_stage_seconds_count{model=\"clip\",stage=\"encode\"} 1",
        "photovec_request_stage_seconds_count{model=\"clip\",stage=\"total\"} 1",
        "photovec_batch_size_count{model=\"clip\"} 1", "photovec_requests_in_flight ",
        "photovec_stream_busy_ratio{model=\"clip\",stream=\"0\"}", "photovec_memory_budget_used_bytes 0"}) {
    EXPECT_THAT(text, ::testing::HasSubstr(line));
  }
  Destroy();
}

TEST(ModelMetrics, BusyRatioIsOverTheTimeSinceTheLastLook) {
  testing::FakeRegistry registry;
  ModelMetrics metrics(registry, "m", 2);
  ModelSample sample;
  const TimePoint start = Clock::now() + std::chrono::hours(1);
  const auto look = [&](int after_s, int64_t busy0_us, int64_t busy1_us) {
    sample.stream_busy_us = {busy0_us, busy1_us};
    sample.at = start + std::chrono::seconds(after_s);
    metrics.Sample(sample);
  };
  const std::string ratio = "photovec_stream_busy_ratio,model=m,stream=";
  look(0, 0, 0);
  look(10, 5'000'000, 10'000'000);
  EXPECT_DOUBLE_EQ(registry.Value(ratio + "0"), 0.5);
  EXPECT_DOUBLE_EQ(registry.Value(ratio + "1"), 1.0);
  look(20, 7'000'000, 21'000'000);
  EXPECT_DOUBLE_EQ(registry.Value(ratio + "0"), 0.2);
  EXPECT_DOUBLE_EQ(registry.Value(ratio + "1"), 1.0) << "a batch that began earlier counts whole, at its end";
  EXPECT_DOUBLE_EQ(registry.Value("photovec_stream_busy_seconds_total,model=m,stream=0"), 7.0);
  metrics.Detach();
  look(30, 9'000'000, 21'000'000);
  EXPECT_DOUBLE_EQ(registry.Value("photovec_stream_busy_seconds_total,model=m,stream=0"), 7.0);
}

TEST(RequestStages, AreMeasuredFromTheBorders) {
  RequestResult result;
  result.started = TimePoint(std::chrono::seconds(100));
  const auto at = [&](int ms) { return result.started + std::chrono::milliseconds(ms); };
  result.finished = at(90);
  result.items.resize(3);
  const auto mark = [&](size_t i, int preprocessed, int taken, int encoded, int collected) {
    StageTimes& times = result.items[i].times;
    times.MarkAt(Border::kPreprocessEnd, at(preprocessed));
    times.MarkAt(Border::kEncodeStart, at(taken));
    times.MarkAt(Border::kEncodeEnd, at(encoded));
    times.MarkAt(Border::kCollected, at(collected));
  };
  mark(0, 10, 20, 40, 41);
  mark(1, 50, 60, 80, 90);
  result.items[2].status = Status(Code::kImageCorrupt, "bad");
  result.items[2].times.MarkAt(Border::kCollected, at(1));
  EXPECT_THAT(MeasureRequest(result).us, ElementsAre(50'000, 41'000, 60'000, 90'000));
  result.items.erase(result.items.begin(), result.items.begin() + 2);
  EXPECT_THAT(MeasureRequest(result).us, ElementsAre(-1, -1, -1, 90'000));
}

}  // namespace
}  // namespace photovec::pipeline
