// SPDX-License-Identifier: MIT
#include "bench/encode.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <string>

namespace photovec::bench {
namespace {

BenchEncodeOptions Tiny() {
  BenchEncodeOptions options;
  options.model = "tiny";
  options.precisions = {encode::Precision::kF32};
  options.layouts = {{1, 1}};
  options.batches = {1, 3};
  options.rounds = 2;
  options.slice_seconds = 0.005;
  options.pin_threads = false;
  return options;
}

TEST(BenchEncode, MeasuresWhatItVerified) {
  const auto report = RunBenchEncode(Tiny());
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_LT(report->executed_flops_per_item, report->flops_per_item);
  EXPECT_NE(report->verified.find("reference encoder"), std::string::npos) << report->verified;
  ASSERT_EQ(report->rows.size(), 2U);
  for (size_t i = 0; i < 2; ++i) {
    const BenchEncodeRow& row = report->rows[i];
    EXPECT_EQ(row.batch, Tiny().batches[i]);
    EXPECT_EQ(row.precision, "f32");
    EXPECT_EQ(row.streams * row.threads, 1);
    EXPECT_NEAR(row.gflops, row.items_per_s * report->executed_flops_per_item * 1e-9, row.gflops * 1e-6);
    EXPECT_GT(row.ceiling_dealt_gflops, 0);
    EXPECT_GT(row.ceiling_whole_gflops, 0);
    EXPECT_GT(row.peak_gflops,
              0);  // not compared: a sanitizer or another process slows the one and not the other
    EXPECT_GT(row.share_of_ceiling, 0);
  }
  const std::string text = ToText(*report);
  EXPECT_NE(text.find("tiny"), std::string::npos);
  EXPECT_NE(text.find("share"), std::string::npos);
}

TEST(BenchEncode, MeasuresTexts) {
  BenchEncodeOptions options = Tiny();
  options.model = "tiny-text";
  options.tokens = 10;
  const auto report = RunBenchEncode(options);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_NE(report->verified.find("reference encoder"), std::string::npos) << report->verified;
  ASSERT_EQ(report->rows.size(), 2U);
  EXPECT_GT(report->rows[0].floor_ms, 0);
  EXPECT_GT(report->rows[0].batch_ms, 0);
  const boost::json::value json = boost::json::parse(ToJson(*report));
  EXPECT_EQ(json.at("tokens").as_int64(), 10);
  EXPECT_NEAR(json.at("tokens_per_s").to_number<double>(), 10 * json.at("texts_per_s").to_number<double>(),
              0.01 * json.at("tokens_per_s").to_number<double>());
  EXPECT_FALSE(json.as_object().contains("images_per_s"));
  EXPECT_NE(ToText(*report).find("a text of 10 tokens"), std::string::npos) << ToText(*report);

  options.tokens = 78;
  EXPECT_EQ(RunBenchEncode(options).status().message(),
            "the text tower of tiny-text (random weights) takes 1 to 77 tokens, not 78");
  options.model = "tiny-siglip";
  EXPECT_EQ(RunBenchEncode(options).status().message(),
            "the text tower of tiny-siglip (random weights) takes exactly 64 tokens, not 78");
  options.model = "dinov2-s-14";
  EXPECT_EQ(RunBenchEncode(options).status().message(), "dinov2-s-14 (random weights) has no text tower");
}

TEST(BenchEncode, MeasuresEveryFamily) {
  for (const char* preset : {"tiny-siglip", "tiny-dinov2", "tiny-dinov3"}) {
    BenchEncodeOptions options = Tiny();
    options.model = preset;
    options.batches = {2};
    const auto report = RunBenchEncode(options);
    EXPECT_TRUE(report.ok()) << preset << ": " << report.status().ToString();
  }
}

TEST(BenchEncode, JsonHasTheJudgedFields) {
  BenchEncodeReport report;
  report.model = "a \"model\"";
  BenchEncodeRow row;
  row.precision = "bf16";
  row.streams = 2;
  row.threads = 1;
  row.batch = 8;
  row.items_per_s = 47.5;
  row.gflops = 391.25;
  row.ceiling_gflops = 420.5;
  row.share_of_ceiling = 0.9304;
  report.rows = {row, row};
  const boost::json::value json = boost::json::parse(ToJson(report));
  EXPECT_EQ(json.at("model").as_string(), "a \"model\"");
  EXPECT_EQ(json.at("precision").as_string(), "bf16");
  EXPECT_EQ(json.at("streams").as_int64(), 2);
  EXPECT_EQ(json.at("batch").as_int64(), 8);
  EXPECT_DOUBLE_EQ(json.at("images_per_s").to_number<double>(), 47.5);
  EXPECT_DOUBLE_EQ(json.at("gflops").to_number<double>(), 391.25);
  EXPECT_DOUBLE_EQ(json.at("ceiling_gflops").to_number<double>(), 420.5);
  EXPECT_DOUBLE_EQ(json.at("share_of_ceiling").to_number<double>(), 0.9304);
  EXPECT_TRUE(json.at("machine").is_object());
  EXPECT_EQ(json.at("measurements").as_array().size(), 2U);
}

// Whatever a machine calls its CPU, and however long its library's description is.
TEST(BenchEncode, JsonIsValidWithLongNames) {
  BenchEncodeReport report;
  report.machine.cpu_model = std::string(1999, 'x') + "\"";
  BenchEncodeRow row;
  row.precision = "f32";
  row.detail = std::string(2000, 'y');
  report.rows = {row};
  const boost::json::value json = boost::json::parse(ToJson(report));
  EXPECT_EQ(json.at("machine").at("cpu").as_string(), report.machine.cpu_model);
  EXPECT_EQ(json.at("encoder").as_string(), row.detail);
  EXPECT_EQ(json.at("measurements").at(0).at("encoder").as_string(), row.detail);
}

TEST(BenchEncode, RefusesWhatItCannotMeasure) {
  const auto code = [](auto change) {
    BenchEncodeOptions options = Tiny();
    change(options);
    return RunBenchEncode(options).status().code();
  };
  EXPECT_EQ(code([](BenchEncodeOptions& o) { o.batches = {0}; }), Code::kInvalidRequest);
  EXPECT_EQ(code([](BenchEncodeOptions& o) { o.batches = {65}; }), Code::kInvalidRequest);
  EXPECT_EQ(code([](BenchEncodeOptions& o) { o.batches = {}; }), Code::kInvalidRequest);
  EXPECT_EQ(code([](BenchEncodeOptions& o) { o.rounds = 0; }), Code::kInvalidRequest);
  EXPECT_EQ(code([](BenchEncodeOptions& o) { o.model = "no-such-preset"; }), Code::kInvalidRequest);
  EXPECT_EQ(code([](BenchEncodeOptions& o) { o.model = "/no/such/dir"; }), Code::kNotFound);
}

}  // namespace
}  // namespace photovec::bench
