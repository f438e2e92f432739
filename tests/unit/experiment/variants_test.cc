// SPDX-License-Identifier: MIT
#include "experiment/run/variants.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace photovec::experiment {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

TEST(Axis, HasAnOptionAndItsValues) {
  const auto axis = ParseAxis("--streams=1,2,4");
  ASSERT_TRUE(axis.ok());
  EXPECT_EQ(axis->option, "streams");
  EXPECT_THAT(axis->values, ElementsAre("1", "2", "4"));
}

TEST(Axis, SaysWhatIsWrong) {
  for (const char* text : {"streams", "=1,2", "streams="}) {
    EXPECT_THAT(ParseAxis(text).status().message(), HasSubstr("NAME=VALUE,VALUE")) << text;
  }
  EXPECT_THAT(ParseAxis("streams=1,,2").status().message(), HasSubstr("empty value"));
  EXPECT_THAT(ParseAxis("streams=1,2,1").status().message(), HasSubstr("'1' twice"));
}

TEST(Setting, MayHoldAnEqualsSignOrNothing) {
  EXPECT_THAT(*ParseSetting("allow-host=a=b"), Pair("allow-host", "a=b"));
  EXPECT_THAT(*ParseSetting("image-root="), Pair("image-root", ""));
  EXPECT_FALSE(ParseSetting("precision").ok());
}

TEST(Grid, HasEveryCombinationWithTheLastAxisFastest) {
  const std::vector<Axis> axes = {{"streams", {"1", "2"}}, {"precision", {"f32", "bf16"}}};
  const auto grid = MakeGrid(axes);
  ASSERT_TRUE(grid.ok());
  std::vector<std::string> names;
  for (const auto& settings : *grid) names.push_back(VariantName(settings));
  EXPECT_THAT(names, ElementsAre("streams=1 precision=f32", "streams=1 precision=bf16",
                                 "streams=2 precision=f32", "streams=2 precision=bf16"));
}

TEST(Grid, WithoutAxesIsOneVariantAsConfigured) {
  const auto grid = MakeGrid({});
  ASSERT_TRUE(grid.ok());
  ASSERT_EQ(grid->size(), 1u);
  EXPECT_EQ(VariantName(grid->front()), "as configured");
}

TEST(Grid, IsBoundedAndNamesAnOptionOnce) {
  const Axis five{"a", {"1", "2", "3", "4", "5"}};
  const Axis other{"b", five.values};
  EXPECT_THAT(MakeGrid(std::vector<Axis>{five, other}).status().message(), HasSubstr("more than 24"));
  EXPECT_THAT(MakeGrid(std::vector<Axis>{five, five}).status().message(), HasSubstr("'a' twice"));
}

TEST(SplitCommand, TakesQuotesAsAShellDoes) {
  const auto words = SplitCommand("python3  'my server.py' --a=\"x \\\" y\" b\\ c ''");
  ASSERT_TRUE(words.ok());
  EXPECT_THAT(*words, ElementsAre("python3", "my server.py", "--a=x \" y", "b c", ""));
}

TEST(SplitCommand, RefusesAnOpenQuoteAndNothing) {
  EXPECT_THAT(SplitCommand("a 'b").status().message(), HasSubstr("open '"));
  EXPECT_FALSE(SplitCommand("  ").ok());
}

}  // namespace
}  // namespace photovec::experiment
