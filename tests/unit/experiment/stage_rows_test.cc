// SPDX-License-Identifier: MIT
#include "experiment/analyse/stage_rows.h"

#include <gtest/gtest.h>

#include "experiment/analyse/analysis.h"
#include "experiment/analyse/stream_time.h"
#include "synthetic_data.h"

namespace photovec::experiment {
namespace {

// Two images; times in milliseconds since the request began: opened at 1.
request_log::Record OneRequest() {
  request_log::Record request;
  request.status = 200;
  request.opened_us = 1'000;
  request.receive_us = 400;
  request.parse_us = 100;
  request.serialise_us = 700;
  request.total_us = 101'700;
  request.finished_us = 101'000;
  request_log::ItemRecord a;
  a.by_reference = true;
  a.at_us = {1'000, 2'000, 42'000, 45'000, 53'000, 55'000, 60'000, 90'000, 90'500};
  a.stream = 0;
  a.batch = 1;
  a.batch_size = 2;
  request_log::ItemRecord b = a;
  b.at_us = {1'000, 3'000, 63'000, 63'500, 70'000, 74'000, 74'500, 100'000, 101'000};
  b.batch = 2;
  b.batch_size = 1;
  request.items = {a, b};
  return request;
}

Variant VariantOf(std::vector<request_log::Record> requests) {
  Variant variant;
  struct Run run;
  run.seconds = 10;
  run.requests = std::move(requests);
  variant.runs.push_back(std::move(run));
  return variant;
}

const Figures& RowOf(const VariantFigures& figures, std::string_view key) {
  return figures.rows[static_cast<size_t>(StageRowIndex(key))];
}

TEST(StageRows, AreTakenAsDocumented) {
  const VariantFigures figures = CollectFigures(VariantOf({OneRequest()}), 2);
  EXPECT_EQ(RowOf(figures, "fetch").value, (std::vector<double>{60, 40}));
  EXPECT_EQ(RowOf(figures, "decode_wait").value, (std::vector<double>{3, 0.5}));
  EXPECT_EQ(RowOf(figures, "decode").value, (std::vector<double>{8, 6.5}));
  EXPECT_EQ(RowOf(figures, "load_decode").value, std::vector<double>{73}) << "opened to the slowest's pixels";
  EXPECT_EQ(RowOf(figures, "preprocess_request").value, std::vector<double>{6}) << "2 + 4";
  EXPECT_EQ(RowOf(figures, "embed").value, std::vector<double>{40}) << "60 to 100";
  EXPECT_EQ(RowOf(figures, "first_vector").value, std::vector<double>{89.5});
  EXPECT_EQ(RowOf(figures, "http_total").value, std::vector<double>{101.7});
  EXPECT_EQ(RowOf(figures, "receive").value, std::vector<double>{0.4});
  EXPECT_EQ(RowOf(figures, "serialise").value, std::vector<double>{0.7});
}

TEST(StageRows, WhatABaselineSaysOfWholeRequestsReplacesWhatIsDerived) {
  request_log::Record request = OneRequest();
  request.load_decode_us = 11'000;
  request.preprocess_us = 12'000;
  request.embed_us = 13'000;
  request.items[0].stage_us[static_cast<size_t>(Stage::kFetch)] = 5'000;
  const VariantFigures figures = CollectFigures(VariantOf({request}), 2);
  EXPECT_EQ(RowOf(figures, "load_decode").value, std::vector<double>{11});
  EXPECT_EQ(RowOf(figures, "preprocess_request").value, std::vector<double>{12});
  EXPECT_EQ(RowOf(figures, "embed").value, std::vector<double>{13});
  EXPECT_EQ(RowOf(figures, "fetch").value, (std::vector<double>{60, 5}));
}

TEST(StageRows, LeaveOutWhatFailed) {
  request_log::Record refused = OneRequest();
  refused.status = 429;
  request_log::Record half = OneRequest();
  half.items[1].code = "image_corrupt";
  request_log::Record all_bad = OneRequest();
  for (request_log::ItemRecord& item : all_bad.items) item.code = "source_failed";
  const VariantFigures figures = CollectFigures(VariantOf({refused, half, all_bad}), 2);
  EXPECT_EQ(RowOf(figures, "fetch").value, std::vector<double>{40});
  EXPECT_EQ(RowOf(figures, "fetch").group, std::vector<uint32_t>{1});
  EXPECT_EQ(RowOf(figures, "http_total").size(), 1U);
  EXPECT_EQ(figures.requests.groups(), 3U);
}

TEST(StageRows, LeaveOutRunsThatAreNotWhole) {
  Variant variant = VariantOf({OneRequest()});
  variant.runs[0].failure = "the server exited with code 1";
  const VariantFigures figures = CollectFigures(variant, 2);
  EXPECT_EQ(RowOf(figures, "fetch").size(), 0U);
  EXPECT_EQ(figures.requests.repetitions(), 0U);
}

TEST(StageRows, AClientsTimeCountsFromTheIntendedStart) {
  Variant variant = VariantOf({});
  ClientSample late;
  late.intended_us = 1'000;
  late.sent_us = 500'000;
  late.done_us = 801'000;
  late.images = 3;
  late.status = 200;
  ClientSample refused = late;
  refused.status = 0;
  variant.runs[0].client = {late, refused};
  EXPECT_EQ(RowOf(CollectFigures(variant, 2), "client_total").value, std::vector<double>{800});
}

TEST(StageRows, EachBatchIsCountedOnce) {
  const auto figures = CollectFigures(VariantOf({OneRequest()}), 2);
  EXPECT_EQ(figures.batches, (std::map<int, uint64_t>{{1, 1}, {2, 1}}));
  request_log::Record together = OneRequest();
  together.items[1].batch = 1;
  together.items[1].batch_size = 2;
  EXPECT_EQ(CollectFigures(VariantOf({together}), 2).batches, (std::map<int, uint64_t>{{2, 1}}));
}

TEST(StreamTime, IsTheUnionOfBatchesOverTheMeasuredTime) {
  // Ten seconds of two streams: the first busy 0 to 8 s in overlapping batches, the second 5 to 6 s.
  struct Run run;
  run.seconds = 10;
  run.began_us = 50'000'000;
  const auto batch = [&](int stream, int64_t begin_ms, int64_t end_ms) {
    request_log::Record request;
    request.started_us = run.began_us + begin_ms * 1'000 - 500;
    request.total_us = 0;  // no lead-in
    request_log::ItemRecord item;
    item.stream = stream;
    item.at_us[static_cast<size_t>(Border::kEncodeStart)] = 500;
    item.at_us[static_cast<size_t>(Border::kEncodeEnd)] = 500 + (end_ms - begin_ms) * 1'000;
    request.items = {item};
    run.requests.push_back(request);
  };
  batch(0, 0, 5'000);
  batch(0, 3'000, 8'000);
  batch(1, 5'000, 6'000);
  Figures busy;
  AddStreamTime(run, 2, 10, 0, busy);
  ASSERT_EQ(busy.size(), 10U);
  EXPECT_NEAR(busy.value[0], 0.5, 1e-6);
  EXPECT_NEAR(busy.value[5], 1.0, 1e-6);
  EXPECT_NEAR(busy.value[9], 0.0, 1e-6);
  double sum = 0;
  for (const double value : busy.value) sum += value;
  EXPECT_NEAR(sum / 10, (8.0 + 1.0) / 20.0, 1e-6);
}

TEST(StreamTime, LeavesOutTheTimeInWhichOlderRequestsHadBatches) {
  struct Run run;
  run.seconds = 10;
  request_log::Record request;
  request.total_us = 2'500'000;
  request_log::ItemRecord item;
  item.stream = 0;
  item.at_us[static_cast<size_t>(Border::kEncodeStart)] = 2'500'000;
  item.at_us[static_cast<size_t>(Border::kEncodeEnd)] = 10'000'000;
  request.items = {item};
  run.requests = {request};
  Figures busy;
  AddStreamTime(run, 1, 10, 0, busy);
  ASSERT_EQ(busy.size(), 7U) << "from the third second on";
  for (const double value : busy.value) EXPECT_NEAR(value, 1.0, 1e-6);
}

TEST(StageRows, ThroughputIsWhatWasCompleted) {
  SyntheticSpec spec;
  spec.repetitions = 2;
  Variant variant = MakeSyntheticVariant(spec);
  variant.runs[0].images_completed = 600;
  variant.runs[1].images_completed = 900;
  const VariantFigures figures = CollectFigures(variant, 2);
  double sum = 0;
  for (const double value : figures.images_per_s.value) sum += value;
  EXPECT_NEAR(sum / static_cast<double>(figures.images_per_s.size()), (600 + 900) / 60.0, 1e-9);
}

TEST(VariantFacts, TheTailIsThe99thPercentileOverTheMedian) {
  std::vector<request_log::Record> requests;
  for (int i = 0; i < 100; ++i) {
    requests.push_back(OneRequest());
    requests.back().total_us = i < 98 ? 100'000 : 250'000;
  }
  EXPECT_NEAR(CollectFacts(VariantOf(requests), 2).tail, 2.5, 1e-9);
  EXPECT_EQ(CollectFacts(VariantOf({}), 2).tail, 0);
}

}  // namespace
}  // namespace photovec::experiment
