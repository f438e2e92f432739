// SPDX-License-Identifier: MIT
#include "base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "base/log_limiter.h"

namespace photovec {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;

class LogTest : public testing::Test {
 protected:
  LogTest() {
    log::SetSink([this](std::string_view line) { lines_.emplace_back(line); });
  }
  ~LogTest() override {
    log::SetSink({});
    InitLogging(LogLevel::kInfo);
  }
  std::vector<std::string> lines_;
};

TEST_F(LogTest, EachLevelLetsItsOwnLinesAndWeightierOnesThrough) {
  size_t level = 0;
  for (const auto& known : EnumNames(LogLevel{})) {
    InitLogging(known.value);
    lines_.clear();
    log::debug("a line");
    log::info("a line");
    log::warn("a line");
    log::error("a line");
    EXPECT_EQ(lines_.size(), 4 - level) << known.name;
    ++level;
  }
}

TEST_F(LogTest, ALineOfTextHasTimeAndLevelAndNoControlCharacters) {
  InitLogging(LogLevel::kInfo);
  log::warn("from {}: {}", "host", "a\nb\x1b[31m\tc\x7f \xC3\xA9");
  ASSERT_EQ(lines_.size(), 1U);
  EXPECT_THAT(lines_[0], MatchesRegex("20..-..-..T..:..:..\\....Z .*warn.* from host: .*\n"));
  EXPECT_THAT(lines_[0], EndsWith("from host: a\\x0ab\\x1b[31m\\x09c\\x7f \xC3\xA9\n"));
}

TEST_F(LogTest, ALineOfJsonIsOne) {
  InitLogging(LogLevel::kInfo, LogFormat::kJson);
  log::error("said \"{}\"", "a\nb\xFF");
  InitLogging(LogLevel::kInfo, LogFormat::kText);
  ASSERT_EQ(lines_.size(), 1U);
  EXPECT_THAT(lines_[0], HasSubstr("\"level\":\"error\",\"message\":\"said \\\"a\\nb\xEF\xBF\xBD\\\"\"}\n"));
}

TEST_F(LogTest, AFloodOfOneKindIsCutAndTheOthersAreNot) {
  InitLogging(LogLevel::kInfo);
  const uint64_t before = log::GetStats().suppressed;
  for (int i = 0; i < 10'000; ++i) log::info("a flood {}", i);
  log::info("something else");
  // A slow machine may refill a few while it floods.
  EXPECT_LE(lines_.size(), 200U);
  EXPECT_GE(lines_.size(), static_cast<size_t>(LogLimiter::kBurst));
  EXPECT_THAT(lines_.back(), EndsWith("something else\n"));
  EXPECT_EQ(log::GetStats().suppressed - before, 10'001 - lines_.size());
  const size_t written = lines_.size();
  log::Flush();
  ASSERT_EQ(lines_.size(), written + 1) << "what was left out is told at the end";
  EXPECT_THAT(lines_.back(),
              HasSubstr(std::to_string(10'001 - written) + " more of these in the last 10 s: a flood {}"));
}

TEST_F(LogTest, PlainLinesHaveNoPrefixAndNoLevel) {
  InitLogging(LogLevel::kOff);
  log::Plain("photovec: no such file");
  EXPECT_THAT(lines_, ElementsAre("photovec: no such file\n"));
}

TEST(UtcTime, HasMilliseconds) {
  EXPECT_EQ(UtcTime(std::chrono::system_clock::time_point(milliseconds(1'700'000'000'042))),
            "2023-11-14T22:13:20.042Z");
}

constexpr std::string_view kA = "a {}";
constexpr std::string_view kB = "b {}";

int AllowedOf(LogLimiter& limiter, std::string_view kind, int lines, TimePoint now) {
  int allowed = 0;
  for (int i = 0; i < lines; ++i) allowed += limiter.Allow(kind, 1, now) ? 1 : 0;
  return allowed;
}

TEST(LogLimiter, ABurstThenAFewASecondEachKindForItself) {
  LogLimiter limiter;
  const TimePoint start{seconds(1'000)};
  EXPECT_EQ(AllowedOf(limiter, kA, 1'000, start), 20);
  EXPECT_EQ(AllowedOf(limiter, kB, 5, start), 5);
  EXPECT_EQ(AllowedOf(limiter, kA, 1'000, start + milliseconds(499)), 0);
  EXPECT_EQ(AllowedOf(limiter, kA, 1'000, start + milliseconds(500)), 1);
  EXPECT_EQ(AllowedOf(limiter, kA, 1'000, start + milliseconds(2'500)), 4);
  EXPECT_EQ(AllowedOf(limiter, kA, 1'000, start + seconds(3'600)), 20) << "the burst is back after a rest";
  EXPECT_EQ(limiter.suppressed(), 980U + 1'000 + 999 + 996 + 980);
}

TEST(LogLimiter, ASummaryTellsWhatWasLeftOutTenSecondsAfterTheFirst) {
  LogLimiter limiter;
  const TimePoint start{seconds(1'000)};
  AllowedOf(limiter, kA, 120, start);
  EXPECT_THAT(limiter.TakeSummaries(start + milliseconds(9'999)), IsEmpty());
  const auto due = limiter.TakeSummaries(start + seconds(10));
  ASSERT_EQ(due.size(), 1U);
  EXPECT_EQ(due[0].kind, kA);
  EXPECT_EQ(due[0].level, 1);
  EXPECT_EQ(due[0].suppressed, 100U);
  EXPECT_THAT(limiter.TakeSummaries(start + seconds(60)), IsEmpty()) << "told once";
  AllowedOf(limiter, kA, 21, start + seconds(60));
  EXPECT_EQ(limiter.TakeSummaries(start + seconds(60), true).size(), 1U) << "at the end also young ones";
}

TEST(LogLimiter, AClockThatStepsBackGivesNothing) {
  LogLimiter limiter;
  const TimePoint start{seconds(1'000)};
  EXPECT_EQ(AllowedOf(limiter, kA, 30, start), 20);
  EXPECT_EQ(AllowedOf(limiter, kA, 30, start - seconds(100)), 0);
}

}  // namespace
}  // namespace photovec
