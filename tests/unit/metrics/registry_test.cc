// SPDX-License-Identifier: MIT
#include "metrics/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "metrics/names.h"

namespace photovec::metrics {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const Labels kDecode = {{label::kModel, "clip"}, {label::kStage, "decode"}};

TEST(Registry, SameNameAndLabelsAreOneChild) {
  const auto registry = Registry::Create();
  Counter* counter = registry->GetCounter(name::kImagesTotal, "Images.", {{label::kModel, "a"}});
  EXPECT_EQ(counter, registry->GetCounter(name::kImagesTotal, "Images.", {{label::kModel, "a"}}));
  EXPECT_NE(counter, registry->GetCounter(name::kImagesTotal, "Images.", {{label::kModel, "b"}}));
  // The order in which labels are written does not matter.
  EXPECT_EQ(registry->GetGauge(name::kQueueDepth, "", {{label::kModel, "a"}, {label::kQueue, "q"}}),
            registry->GetGauge(name::kQueueDepth, "", {{label::kQueue, "q"}, {label::kModel, "a"}}));
  counter->Add();
  counter->Add(2.5);
  EXPECT_DOUBLE_EQ(counter->Value(), 3.5);
}

TEST(Registry, RaisesACounterToATotalThatIsCountedElsewhere) {
  const auto registry = Registry::Create();
  Counter* counter = registry->GetCounter(name::kCacheEvictions, "", {});
  counter->RaiseTo(3);
  counter->RaiseTo(3);
  EXPECT_DOUBLE_EQ(counter->Value(), 3);
  counter->RaiseTo(5);
  EXPECT_DOUBLE_EQ(counter->Value(), 5);
  counter->RaiseTo(4);
  EXPECT_DOUBLE_EQ(counter->Value(), 5) << "counters do not fall";
}

TEST(Registry, PrometheusTextHasTypesBucketsAndEscapedLabels) {
  const auto registry = Registry::Create();
  registry
      ->GetCounter(name::kImagesTotal, "Images by outcome.",
                   {{label::kModel, "a\"b\\c"}, {label::kCode, "ok"}})
      ->Add(7);
  registry->GetGauge(name::kConnections, "Open connections.", {})->Set(-3);
  Distribution* decode =
      registry->GetDistribution(name::kImageStageSeconds, "Stage times.", kSecondsBuckets, kDecode);
  decode->Observe(0.0005);  // borders belong to their bucket
  decode->Observe(0.0006);
  decode->Observe(100.0);
  const std::string text = registry->PrometheusText();
  EXPECT_THAT(text, HasSubstr("# HELP photovec_images_total Images by outcome.\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE photovec_images_total counter\n"));
  EXPECT_THAT(text, HasSubstr(R"(photovec_images_total{code="ok",model="a\"b\\c"} 7)"));
  EXPECT_THAT(text, HasSubstr("photovec_http_connections -3\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE photovec_image_stage_seconds histogram\n"));
  EXPECT_THAT(text, HasSubstr(R"(photovec_image_stage_seconds_count{model="clip",stage="decode"} 3)"));
  EXPECT_THAT(text, HasSubstr(R"({model="clip",stage="decode",le="0.0005"} 1)"));
  EXPECT_THAT(text, HasSubstr(R"({model="clip",stage="decode",le="0.001"} 2)"));
  EXPECT_THAT(text, HasSubstr(R"({model="clip",stage="decode",le="30"} 2)"));
  EXPECT_THAT(text, HasSubstr(R"({model="clip",stage="decode",le="+Inf"} 3)"));
}

TEST(Registry, StatsJsonIsSortedWithUnitsInKeys) {
  const auto registry = Registry::Create();
  registry->GetGauge(name::kSlotsFree, "", {{label::kModel, "b"}})->Set(4);
  registry->GetGauge(name::kSlotsFree, "", {{label::kModel, "a\n\""}})->Set(3);
  registry->GetCounter(name::kImagesTotal, "", {})->Add(1e6);
  Distribution* decode = registry->GetDistribution(name::kImageStageSeconds, "", kSecondsBuckets, kDecode);
  for (int i = 1; i <= 50; ++i) decode->Observe(i * 1e-6);
  Distribution* batch = registry->GetDistribution(name::kBatchSize, "", kBatchBuckets, {});
  for (const double size : {1.0, 8.0, 8.0, 16.0}) batch->Observe(size);
  EXPECT_EQ(registry->StatsJson(), R"({
  "photovec_batch_size":[
    {"labels":{},"count":4,"mean":8.25,"p50":8,"p95":16,"p99":16,"max":16}],
  "photovec_image_stage_seconds":[
    {"labels":{"model":"clip","stage":"decode"},"count":50,"mean_ms":0.0255,"p50_ms":0.025,"p95_ms":0.048,"p99_ms":0.05,"max_ms":0.05}],
  "photovec_images_total":[
    {"labels":{},"value":1e+06}],
  "photovec_slots_free":[
    {"labels":{"model":"a\n\""},"value":3},
    {"labels":{"model":"b"},"value":4}]
}
)");
}

TEST(Registry, EmptyRegistryIsAnEmptyObject) { EXPECT_EQ(Registry::Create()->StatsJson(), "{\n}\n"); }

TEST(Registry, ValuesThatMeanNothingDoNotSpoilADistribution) {
  const auto registry = Registry::Create();
  Distribution* lag = registry->GetDistribution(name::kLoopLagSeconds, "", kSecondsBuckets, {});
  lag->Observe(std::numeric_limits<double>::quiet_NaN());
  lag->Observe(std::numeric_limits<double>::infinity());
  lag->Observe(-0.001);  // counts as 0
  lag->Observe(1e300);
  EXPECT_THAT(registry->PrometheusText(), HasSubstr("photovec_event_loop_lag_seconds_count 2\n"));
  EXPECT_THAT(registry->PrometheusText(), Not(HasSubstr("Nan")));
  EXPECT_THAT(registry->StatsJson(), HasSubstr("\"count\":2"));
  registry->GetGauge(name::kConnections, "", {})->Set(std::numeric_limits<double>::quiet_NaN());
  EXPECT_THAT(registry->StatsJson(), HasSubstr("\"value\":null"));
}

TEST(Registry, ABadNameIsNotExportedButUsable) {
  const auto registry = Registry::Create();
  Counter* bad = registry->GetCounter("not a name", "", {});
  bad->Add(2);
  EXPECT_DOUBLE_EQ(bad->Value(), 2);
  registry->GetCounter(name::kConnections, "", {})->Add(1);
  registry->GetGauge(name::kConnections, "", {})->Set(5);  // one name, two types
  EXPECT_DOUBLE_EQ(registry->GetGauge(name::kConnections, "", {})->Value(), 5);
  EXPECT_THAT(registry->PrometheusText(), Not(HasSubstr("not a name")));
  EXPECT_THAT(registry->PrometheusText(), HasSubstr("photovec_http_connections 1\n"));
}

TEST(Registry, SamplersRunBeforeEachExpositionUntilRemoved) {
  const auto registry = Registry::Create();
  int runs = 0;
  const int id = registry->AddSampler([&] {
    // A sampler may make metrics.
    registry->GetGauge(name::kQueueDepth, "", {{label::kQueue, "decode"}})->Set(++runs);
  });
  const int other = registry->AddSampler([] {});
  EXPECT_NE(id, other);
  EXPECT_THAT(registry->PrometheusText(), HasSubstr("photovec_queue_depth{queue=\"decode\"} 1\n"));
  EXPECT_THAT(registry->StatsJson(), HasSubstr("\"value\":2"));
  registry->RemoveSampler(id);
  EXPECT_THAT(registry->StatsJson(), HasSubstr("\"value\":2"));
  EXPECT_EQ(runs, 2);
}

TEST(Registry, ManyThreadsCountExactly) {
  const auto registry = Registry::Create();
  constexpr int kThreads = 4;
  constexpr int kRounds = 5000;
  std::atomic<bool> stop{false};
  std::thread scraper([&] {
    while (!stop.load()) {
      EXPECT_FALSE(registry->PrometheusText().empty() && registry->StatsJson().empty());
    }
  });
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const int id = registry->AddSampler([] {});
      for (int i = 0; i < kRounds; ++i) {
        registry->GetCounter(name::kImagesTotal, "", {{label::kCode, std::to_string(i % 3)}})->Add();
        registry->GetDistribution(name::kImageStageSeconds, "", kSecondsBuckets, kDecode)->Observe(t * 1e-3);
      }
      registry->RemoveSampler(id);
    });
  }
  for (std::thread& thread : threads) thread.join();
  stop = true;
  scraper.join();
  double total = 0;
  for (const char* code : {"0", "1", "2"}) {
    total += registry->GetCounter(name::kImagesTotal, "", {{label::kCode, code}})->Value();
  }
  EXPECT_DOUBLE_EQ(total, kThreads * kRounds);
  EXPECT_THAT(registry->StatsJson(), HasSubstr("\"count\":" + std::to_string(kThreads * kRounds)));
}

}  // namespace
}  // namespace photovec::metrics
