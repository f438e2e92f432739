// SPDX-License-Identifier: MIT
#include "bench/pipeline.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <string>

namespace photovec::bench {
namespace {

BenchPipelineReport Report() {
  BenchPipelineReport report;
  report.model.name = "clip";
  report.model.encoder.executed_flops_per_image = 2e9;
  report.decode = {10, 50};
  report.encode = {40, 25};
  report.pipeline = {7.5, 80};
  report.bound = 8;
  report.share = 0.9375;
  report.busy = 1;
  report.http = {7, 90};
  report.http_cost = 0.0667;
  return report;
}

TEST(BenchPipeline, JsonHasTheJudgedFields) {
  BenchPipelineReport report = Report();
  report.machine.cpu_model = std::string(1999, 'x') + "\"";
  report.options.clients = 6;
  for (const bool http : {false, true}) {
    report.options.http = http;
    const boost::json::value json = boost::json::parse(ToJson(report));
    EXPECT_EQ(json.at("benchmark").as_string(), "pipeline");
    EXPECT_DOUBLE_EQ(json.at("images_per_s").to_number<double>(), 7.5);
    EXPECT_DOUBLE_EQ(json.at("share_of_bound").to_number<double>(), 0.9375);
    EXPECT_DOUBLE_EQ(json.at("gflops").to_number<double>(), 15);
    EXPECT_DOUBLE_EQ(json.at("cpu_ms_per_image").at("encode").to_number<double>(), 25);
    EXPECT_EQ(json.at("lanes").as_int64(), 6);
    EXPECT_EQ(json.at("jpeg_scaling").as_string(), "fast");
    EXPECT_TRUE(json.at("stages").is_object());
    EXPECT_EQ(json.at("machine").at("cpu").as_string(), report.machine.cpu_model);
    ASSERT_EQ(json.as_object().contains("http"), http);
    if (http) {
      EXPECT_DOUBLE_EQ(json.at("http").at("images_per_s").to_number<double>(), 7);
    }
  }
}

TEST(BenchPipeline, TextNamesTheBoundAndWhatTookTheMachine) {
  BenchPipelineReport report = Report();
  EXPECT_NE(ToText(report).find("93.8% of the bound"), std::string::npos) << ToText(report);
  EXPECT_EQ(ToText(report).find("note:"), std::string::npos);
  EXPECT_EQ(ToText(report).find("through HTTP"), std::string::npos);
  report.options.http = true;
  report.shared_cpus = false;
  report.busy = 0.5;
  EXPECT_NE(ToText(report).find("through HTTP"), std::string::npos);
  EXPECT_NE(ToText(report).find("the slower of the two"), std::string::npos);
  EXPECT_NE(ToText(report).find("this process had 50%"), std::string::npos);
}

}  // namespace
}  // namespace photovec::bench
