// SPDX-License-Identifier: MIT
#include "bulk/stage_summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

namespace photovec::bulk {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(StageSummary, CountsAndTimes) {
  StageSummary summary;
  StageTimes times;
  const TimePoint begin = Clock::now();
  times.MarkAt(Border::kAdmitted, begin);
  times.MarkAt(Border::kFetchStart, begin + std::chrono::milliseconds(2));
  times.MarkAt(Border::kCollected, begin + std::chrono::milliseconds(10));
  summary.Add(Status::Ok(), times);
  summary.Add({Code::kNotFound, "gone"}, StageTimes{});
  summary.Add({Code::kNotFound, "gone"}, StageTimes{});
  EXPECT_EQ(summary.images(), 3);
  EXPECT_EQ(summary.failed(), 2);
  EXPECT_EQ(summary.FailuresText(), "not_found 2");
  EXPECT_THAT(summary.Json(), HasSubstr(R"("admit_wait":{"count":1,"mean_ms":2.000)"));
  EXPECT_THAT(summary.Json(), HasSubstr(R"("total":{"count":1,"mean_ms":10.000)"));
  EXPECT_THAT(summary.Json(), HasSubstr(R"("decode":{"count":0)"));
  EXPECT_THAT(summary.Table(), HasSubstr("admit_wait              1      2.00"));
  EXPECT_THAT(summary.Table(), Not(HasSubstr("decode"))) << "nothing went through it";
}

TEST(StageSummary, EarlierImagesCountWithoutTimes) {
  StageSummary summary;
  summary.AddEarlier(10, {{"not_found", 2}, {"image_corrupt", 1}});
  EXPECT_EQ(summary.first_failure(), "");
  summary.Add({Code::kNotFound, "gone"}, StageTimes{});
  summary.Add({Code::kSourceFailed, "no"}, StageTimes{});
  EXPECT_EQ(summary.images(), 12);
  EXPECT_EQ(summary.failed(), 5);
  EXPECT_EQ(summary.unreadable(), 4);
  EXPECT_EQ(summary.first_failure(), "gone");
  EXPECT_EQ(summary.FailuresText(), "image_corrupt 1, not_found 3, source_failed 1");
}

}  // namespace
}  // namespace photovec::bulk
