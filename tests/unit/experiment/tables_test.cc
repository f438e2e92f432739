// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <chrono>
#include <set>

#include "experiment/analyse/analysis.h"
#include "experiment/analyse/estimates.h"
#include "experiment/report/format.h"
#include "experiment/report/report.h"
#include "experiment/report/text.h"
#include "synthetic_data.h"

namespace photovec::experiment {
namespace {

TEST(Tables, TheMainTableHasTheOwnersRowsInTheirOrder) {
  const Analysis analysis = Analyse(MakeShowcase());
  std::vector<std::string_view> keys;
  for (const TableRow* row : MainTable(analysis)) keys.push_back(row->key);
  EXPECT_EQ(keys, (std::vector<std::string_view>{"fetch", "decode", "decode_wait", "load_decode",
                                                 "preprocess_request", "embed", "http_total", "cpu",
                                                 "cpu_server", "gpu", "streams"}));
  const std::string korean = ReportText(MakeShowcase(), Language::kKorean);
  for (const char* word :
       {"이미지 로딩", "디코딩", "디코딩 대기", "로딩 + 디코딩", "전처리", "임베딩", "총 시간", "변화율"}) {
    EXPECT_NE(korean.find(word), std::string::npos) << word;
  }
}

TEST(Tables, ChangesAreAgainstTheFirstVariantWithAnInterval) {
  SyntheticSpec one;
  SyntheticSpec slower = one;
  slower.name = "slower";
  slower.decode = 16;
  slower.seed = 2;
  const Analysis analysis = Analyse(MakeSyntheticData({one, slower}));
  const TableRow* decode = FindRow(analysis.stages[kP95], "decode");
  EXPECT_FALSE(decode->cells[0].change.has_value());
  ASSERT_TRUE(decode->cells[1].change && decode->cells[1].change->interval);
  EXPECT_EQ(decode->cells[1].change->verdict, Verdict::kHigher);
  EXPECT_NEAR(decode->cells[1].change->rate, 1.0, 0.1);
  EXPECT_LT(decode->cells[1].change->interval->low, 1.0);
  EXPECT_GT(decode->cells[1].change->interval->high, 1.0);
  EXPECT_EQ(FormatChange(*decode->cells[1].change, Language::kEnglish).find("\xE2\x96\xB2 +"), 0U);
  const TableRow* fetch = FindRow(analysis.stages[kP95], "fetch");
  EXPECT_EQ(fetch->cells[1].change->verdict, Verdict::kSame);
  EXPECT_EQ(FormatChange(*fetch->cells[1].change, Language::kKorean), "≈ 차이 없음");
}

TEST(Tables, StateTheNumberOfFigures) {
  SyntheticSpec spec;
  const Analysis analysis = Analyse(MakeSyntheticData({spec}));
  EXPECT_EQ(FindRow(analysis.stages[kP95], "fetch")->cells[0].samples, 3U * 60U * 12U);
  EXPECT_EQ(FindRow(analysis.stages[kP95], "http_total")->cells[0].samples, 3U * 60U);
}

TEST(Tables, TheSameDataGivesTheSameTablesEveryTime) {
  const ExperimentData data = MakeShowcase();
  EXPECT_EQ(ReportText(data, Language::kEnglish), ReportText(data, Language::kEnglish));
  EXPECT_EQ(ReportJson(data), ReportJson(data));
}

TEST(Tables, ThePathExplainsTheTotal) {
  const Analysis analysis = Analyse(MakeShowcase());
  for (const VariantFacts& facts : analysis.facts) {
    double sum = 0;
    for (const PathMean& part : facts.path) sum += part.ms;
    EXPECT_NEAR(sum, facts.path_total_ms, facts.path_total_ms * 1e-6);
    EXPECT_GE(facts.accounted, 0.95);
    EXPECT_EQ(facts.path.front().name, "receive");
    EXPECT_EQ(facts.path.back().name, "other");
  }
}

TEST(Tables, EveryRowAndPartHasALabel) {
  for (const StageRow& row : StageRows()) EXPECT_TRUE(HasText("row_" + std::string(row.key))) << row.key;
  for (const MeanRow& row : MeanRows()) EXPECT_TRUE(HasText("row_" + std::string(row.key))) << row.key;
  const Analysis analysis = Analyse(MakeShowcase());
  for (const PathMean& part : analysis.facts[0].path) {
    EXPECT_TRUE(HasText("row_" + std::string(part.name))) << part.name;
  }
}

TEST(Format, NumbersReadAsPeopleWriteThem) {
  EXPECT_EQ(FormatNumber(179.81), "179.8");
  EXPECT_EQ(FormatNumber(18.04), "18.04");
  EXPECT_EQ(FormatNumber(0.0123), "0.012");
  EXPECT_EQ(FormatNumber(1'234.5), "1234");
  EXPECT_EQ(FormatNumber(61'203), "61,203");
  EXPECT_EQ(FormatNumber(0), "0.00");
  EXPECT_EQ(FormatRate(0.032), "+3.2%");
  EXPECT_EQ(FormatRate(-0.007), "–0.7%");
  EXPECT_EQ(FormatRate(1.5), "+150%");
  EXPECT_EQ(FormatInterval({-0.101, 0.072}), "–10.1 … +7.2%");
  EXPECT_EQ(FormatCount(1'234'567), "1,234,567");
  EXPECT_EQ(JoinCommand({"a", "b c", "it's", ""}), "a 'b c' 'it'\\''s' ''");
}

TEST(Format, WhatComesFromOutsideIsEscaped) {
  EXPECT_EQ(EscapeHtml("<a href=\"x\">&'</a>"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;&lt;/a&gt;");
  EXPECT_EQ(EscapeHtml("a\xFF\x01"), "a\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(EscapeMarkdown("a|b\n*c*"), "a\\|b \\*c\\*");
  EXPECT_EQ(EscapeHtml("한글"), "한글");
}

TEST(Tables, ALargeExperimentTakesSeconds) {
  // 60,000 images in each of three variants, as 30 clients make in minutes.
  std::vector<SyntheticSpec> specs(3);
  for (size_t i = 0; i < specs.size(); ++i) {
    specs[i].name = "streams=" + std::to_string(i + 1);
    specs[i].requests = 500;
    specs[i].images = 40;
    specs[i].seed = i + 1;
  }
  const ExperimentData data = MakeSyntheticData(specs);
  const auto begin = std::chrono::steady_clock::now();
  const Analysis analysis = Analyse(data);
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
  RecordProperty("seconds", std::to_string(taken.count()));
  std::printf("60,000 images x 3 variants: %.2f s\n", taken.count());
  EXPECT_EQ(FindRow(analysis.stages[kP95], "fetch")->cells[2].samples, 60'000U);
}

}  // namespace
}  // namespace photovec::experiment
