// SPDX-License-Identifier: MIT
#include "experiment/analyse/compare.h"

#include <cstdint>

#include <gtest/gtest.h>

#include "synthetic_data.h"

namespace photovec::experiment {
namespace {

const ComparedRow* RowOf(const Comparison& comparison, std::string_view key) {
  for (const ComparedRow& row : comparison.variants[0].rows) {
    if (row.key == key) return &row;
  }
  return nullptr;
}

ExperimentData Data(SyntheticSpec spec, uint64_t seed) {
  spec.seed = seed;
  return MakeSyntheticData({spec});
}

TEST(Compare, AReportHasNotRegressedAgainstItself) {
  const ExperimentData data = Data({}, 1);
  const auto comparison = Compare(data, data, {});
  ASSERT_TRUE(comparison.ok());
  EXPECT_FALSE(comparison->regressed);
  EXPECT_TRUE(comparison->notes.empty()) << comparison->notes[0];
  for (const ComparedRow& row : comparison->variants[0].rows) {
    if (row.after.change && row.after.change->interval) {
      EXPECT_TRUE(row.after.change->interval->SpansZero()) << row.key;
    }
  }
  EXPECT_NE(ComparisonText(*comparison, {}).find("Nothing regressed by more than 10.0%"), std::string::npos);
}

TEST(Compare, ASlowerStageRegressesAndIsNamed) {
  SyntheticSpec slow;
  slow.decode = 10;  // 25% more
  const auto comparison = Compare(Data({}, 1), Data(slow, 2), {});
  ASSERT_TRUE(comparison.ok());
  EXPECT_TRUE(comparison->regressed);
  EXPECT_TRUE(RowOf(*comparison, "decode")->regressed);
  EXPECT_FALSE(RowOf(*comparison, "fetch")->regressed);
  EXPECT_NE(ComparisonText(*comparison, {}).find("Regressed by more than 10.0%: streams=1: decode, image +"),
            std::string::npos)
      << ComparisonText(*comparison, {});
  const auto lenient = Compare(Data({}, 1), Data(slow, 2), {0.5, ""});
  EXPECT_FALSE(lenient->regressed) << "within the threshold";
  const auto backwards = Compare(Data(slow, 2), Data({}, 1), {});
  EXPECT_FALSE(backwards->regressed) << "faster is no regression";
}

TEST(Compare, LessThroughputRegresses) {
  const ExperimentData before = Data({}, 1);
  ExperimentData after = Data({}, 2);
  for (struct Run& run : after.variants[0].runs) run.images_completed = run.images_completed * 7 / 10;
  const auto comparison = Compare(before, after, {});
  ASSERT_TRUE(comparison.ok());
  EXPECT_TRUE(RowOf(*comparison, "images_per_s")->regressed);
}

TEST(Compare, WhatNobodyCanNoticeIsNoRegression) {
  const ExperimentData before = Data({}, 1);
  ExperimentData after = Data({}, 2);
  for (struct Run& run : after.variants[0].runs) {
    for (request_log::Record& request : run.requests) request.parse_us = 110;  // 0.11 instead of 0.08 ms
  }
  const auto comparison = Compare(before, after, {});
  ASSERT_TRUE(comparison.ok());
  EXPECT_EQ(RowOf(*comparison, "parse")->after.change->verdict, Verdict::kHigher);
  EXPECT_FALSE(comparison->regressed);
}

TEST(Compare, SaysWhatElseDiffers) {
  const ExperimentData before = Data({}, 1);
  ExperimentData after = Data({}, 1);
  after.machine_json = R"({"cpu":"another"})";
  after.versions["oneDNN"] = "3.0";
  after.options[0].second = "60";
  after.version = "0.4.0";
  after.variants[0].runs[0].client[0].status = 0;
  after.variants[0].runs[0].client[0].failed_images = 12;
  const auto comparison = Compare(before, after, {});
  ASSERT_TRUE(comparison.ok());
  const std::string text = ComparisonText(*comparison, {});
  for (const char* note : {"the machine differs", "another", "version of oneDNN differs: 2.6 -> 3.0",
                           "option clients differs: 30 -> 60", "photovec differs: 0.3.0 -> 0.4.0",
                           "1 requests and 12 images failed"}) {
    EXPECT_NE(text.find(note), std::string::npos) << note << "\n" << text;
  }
}

TEST(Compare, MatchesVariantsByName) {
  SyntheticSpec one;
  SyntheticSpec two;
  two.name = "streams=2";
  SyntheticSpec four;
  four.name = "streams=4";
  const ExperimentData before = MakeSyntheticData({one, two});
  const ExperimentData after = MakeSyntheticData({four, two});
  const auto comparison = Compare(before, after, {});
  ASSERT_TRUE(comparison.ok());
  ASSERT_EQ(comparison->variants.size(), 1U);
  EXPECT_EQ(comparison->variants[0].name, "streams=2");
  EXPECT_EQ(comparison->notes.size(), 2U);
  const auto wrong = Compare(before, after, {0.1, "streams=4"});
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(
      wrong.status().message(),
      "variant 'streams=4' is not in both reports: the first report has 'streams=1', 'streams=2', the second "
      "'streams=4', 'streams=2'");
  const auto none = Compare(MakeSyntheticData({one, two}), MakeSyntheticData({four}), {});
  ASSERT_FALSE(none.ok());
  EXPECT_NE(none.status().message().find("no variant is in both reports"), std::string::npos);
  const auto alone = Compare(MakeSyntheticData({one}), MakeSyntheticData({four}), {});
  ASSERT_TRUE(alone.ok()) << "one each: those";
  EXPECT_EQ(alone->variants[0].name, "streams=1 -> streams=4");
}

TEST(Compare, WithoutAWholeRunThereIsNothingToCompare) {
  const ExperimentData before = Data({}, 1);
  ExperimentData after = before;
  for (struct Run& run : after.variants[0].runs) run.failure = "crashed";
  const auto comparison = Compare(before, after, {});
  ASSERT_FALSE(comparison.ok());
  EXPECT_EQ(comparison.status().code(), Code::kInvalidRequest);
}

}  // namespace
}  // namespace photovec::experiment
