// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cstdio>
#include <fstream>

#include "experiment/report/report.h"
#include "synthetic_data.h"

namespace photovec::experiment {
namespace {

// Writes, reads, writes again.
void ExpectSameAgain(const ExperimentData& data) {
  const std::string text = ReportJson(data);
  const auto read = ParseReport(text, "report.json");
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_TRUE(ReportJson(*read) == text) << text.substr(0, 2'000);
}

TEST(ReportJson, ReadsBackAsTheSameData) {
  ExperimentData data = MakeShowcase();
  data.seed = 0xFFFF'FFFF'FFFF'FFF1U;
  data.variants[0].runs[0].requests[0].id = 0xFFFF'FFFF'FFFF'FFF0U;
  data.variants[0].runs[0].requests[1].items[0].stage_us[2] = 77;
  data.variants[0].runs[0].requests[1].load_decode_us = 12'345;
  ExpectSameAgain(data);
  const auto read = ParseReport(ReportJson(data), "report.json");
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->seed, data.seed);
  EXPECT_EQ(read->options, data.options);
  EXPECT_EQ(read->versions, data.versions);
  EXPECT_EQ(read->command, data.command);
  ASSERT_EQ(read->variants.size(), 3U);
  const struct Run& run = read->variants[0].runs[0];
  const struct Run& original = data.variants[0].runs[0];
  EXPECT_EQ(run.requests[0].id, original.requests[0].id);
  EXPECT_EQ(run.requests[1].load_decode_us, 12'345);
  EXPECT_EQ(run.requests[1].items[0].stage_us[2], 77);
  EXPECT_EQ(run.requests[5].items[7].at_us, original.requests[5].items[7].at_us);
  EXPECT_TRUE(run.requests[5].items[7].by_reference);
  EXPECT_EQ(run.client[9].done_us, original.client[9].done_us);
  EXPECT_EQ(read->variants[2].runs[0].requests[0].items[0].code, "image_corrupt");
  EXPECT_NEAR(run.resources[3].machine_cpu, original.resources[3].machine_cpu, 1e-6);
  EXPECT_EQ(read->variants[1].capacity[0].trials[1].requests_per_s, 14);
  EXPECT_FALSE(read->variants[1].capacity[0].trials[1].kept);
}

TEST(ReportJson, HoldsWhatWentWrong) {
  SyntheticSpec spec;
  spec.failed_requests = 2;
  ExperimentData data = MakeSyntheticData({spec});
  data.interrupted = true;
  data.variants[0].runs[1].failure = "the server exited with code 1 \"quoted\" \xFF";
  data.variants[0].runs[1].log_tail = {"line <1>", "\ttabs\x01", "한글"};
  data.variants[0].runs[2].requests.clear();
  data.variants[0].runs[2].client.clear();
  data.variants.push_back({"never ran", {}, {}, {}, {}});
  data.machine_json = "no JSON";
  ExpectSameAgain(data);
  const auto read = ParseReport(ReportJson(data), "report.json");
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_TRUE(read->interrupted);
  EXPECT_EQ(read->machine_json, "no JSON");
  EXPECT_EQ(read->variants[0].runs[1].log_tail[2], "한글");
  EXPECT_EQ(read->variants[0].runs[0].client[0].error, "overloaded");
  EXPECT_EQ(read->variants[1].name, "never ran");
  ExpectSameAgain(ExperimentData{});
}

TEST(ReportJson, ThreeQuartersOfAKilobyteAnImageAreTheMost) {
  const ExperimentData data = MakeShowcase();
  const size_t images = 3 * 3 * 200 * 30;
  EXPECT_LT(ReportJson(data).size(), images * 150) << "columns are compact";
}

TEST(ReportJson, HoldsComputedTablesAndFindings) {
  const auto value = boost::json::parse(ReportJson(MakeShowcase()));
  const auto& computed = value.at("computed").as_object();
  const auto& cell = computed.at("tables").at("p95").at("embed").at(1).as_object();
  EXPECT_TRUE(cell.contains("change_low"));
  EXPECT_EQ(computed.at("variants").as_array().size(), 3U);
  EXPECT_EQ(computed.at("findings").at(0).at("key").as_string(), "headline_better");
}

TEST(ReadReport, SaysWhatIsWrong) {
  const auto message = [](std::string_view text) {
    const auto read = ParseReport(text, "x.json");
    EXPECT_FALSE(read.ok());
    return read.ok() ? "" : std::string(read.status().name()) + ": " + read.status().message();
  };
  EXPECT_NE(message("not json").find("invalid_request: x.json: is no JSON"), std::string::npos);
  EXPECT_NE(message("{\"a\": 1}").find("no report of `photovec experiment`"), std::string::npos);
  EXPECT_NE(message("[]").find("no report of"), std::string::npos);
  EXPECT_NE(message(R"({"format": "photovec-experiment", "version": 99})").find("version 99"),
            std::string::npos);
  const std::string whole = ReportJson(MakeSyntheticData({SyntheticSpec{}}));
  EXPECT_NE(message(whole.substr(0, whole.size() / 2)).find("cut short"), std::string::npos);
  EXPECT_NE(message(whole + "x").find("is no JSON"), std::string::npos);
  const auto replaced = [&](std::string_view what, std::string_view with) {
    std::string text = whole;
    const size_t at = text.find(what);
    EXPECT_NE(at, std::string::npos) << what;
    return text.replace(at, what.size(), with);
  };
  EXPECT_NE(message(replaced("\"status\":[200,", "\"status\":["))
                .find("variants[0].runs[0].requests.status has 59 entries, not 60"),
            std::string::npos);
  EXPECT_NE(message(replaced("\"name\":\"streams=1\"", "\"name\":5"))
                .find("variants[0].name is missing or no text"),
            std::string::npos);
  EXPECT_NE(message(replaced("\"items\":[12,", "\"items\":[13,")).find("counts more items"),
            std::string::npos);
  EXPECT_NE(message(replaced("\"count\":60", "\"count\":-1")).find("requests.count must lie between"),
            std::string::npos);
  EXPECT_NE(message(replaced("\"interrupted\":false", "\"interrupted\":0")).find("neither true nor false"),
            std::string::npos);
}

TEST(ReadReport, ReadsAFileAndNamesOneThatIsMissing) {
  const std::string path = testing::TempDir() + "/photovec_report_test.json";
  std::ofstream(path, std::ios::binary) << ReportJson(MakeSyntheticData({SyntheticSpec{}}));
  EXPECT_TRUE(ReadReport(path).ok());
  std::ofstream(path, std::ios::binary | std::ios::trunc).close();
  EXPECT_EQ(ReadReport(path).status().code(), Code::kInvalidRequest) << "empty";
  std::remove(path.c_str());
  const Status missing = ReadReport(path).status();
  EXPECT_EQ(missing.code(), Code::kNotFound);
  EXPECT_NE(missing.message().find(path), std::string::npos);
}

}  // namespace
}  // namespace photovec::experiment
