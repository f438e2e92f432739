// SPDX-License-Identifier: MIT
#include "bench/decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "bench/decode_gpu.h"
#include "bench/isolation.h"

namespace photovec::bench {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// A 1 x 1 GIF, the smallest photo that needs no encoder.
constexpr std::array<uint8_t, 35> kTinyGif = {'G', 'I', 'F', '8', '7', 'a', 1,  0,    1, 0, 0x80, 0,
                                              0,   10,  20,  30,  40,  50,  60, 0x2C, 0, 0, 0,    0,
                                              1,   0,   1,   0,   0,   2,   2,  0x44, 1, 0, 0x3B};

class BenchDecodeTest : public ::testing::Test {
 protected:
  BenchDecodeTest() {
    const std::string name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    folder_ = std::filesystem::temp_directory_path() / ("photovec_bench_decode_" + name);
    std::filesystem::create_directories(folder_);
    options_.seconds = 1;
    options_.threads = 2;
    options_.spec.resize_short = options_.spec.crop = 8;
  }
  ~BenchDecodeTest() override { std::filesystem::remove_all(folder_); }

  template <typename Content>
  std::string Write(const std::string& name, const Content& content) {
    const std::filesystem::path path = folder_ / name;
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(content.data()), static_cast<std::streamsize>(content.size()));
    return path;
  }

  std::filesystem::path folder_;
  BenchDecodeOptions options_;
};

TEST_F(BenchDecodeTest, MeasuresWhatDecodesAndNamesTheRest) {
  options_.files = {Write("a.gif", kTinyGif), Write("page.jpg", std::string("<html>")),
                    folder_ / "missing.jpg"};
  const Result<BenchDecodeReport> report = RunBenchDecode(options_);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(report->images, 1);
  EXPECT_GE(report->repetitions, 3);
  EXPECT_GT(report->images_per_s, 0);
  EXPECT_GT(report->images_per_s_per_core, 0);
  ASSERT_EQ(report->classes.size(), 1U);
  EXPECT_EQ(report->classes[0].format, "gif");
  EXPECT_EQ(report->classes[0].libjpeg_full_ms, 0);
  EXPECT_THAT(report->failures, ElementsAre(HasSubstr("unsupported_format"), HasSubstr("not_found")));
  EXPECT_THAT(ToText(*report), AllOf(HasSubstr("img/s"), HasSubstr("< 0.5 MP"), HasSubstr("page.jpg")));
  std::string json;
  json::Writer writer(json);
  writer.BeginObject();
  WriteMembers(writer, *report);
  writer.EndObject();
  EXPECT_THAT(json, AllOf(HasSubstr("\"images_per_s\":"), HasSubstr("\"machine\":{"),
                          HasSubstr("\"libjpeg_full_ms\":null")));
  EXPECT_EQ(std::count(json.begin(), json.end(), '{'), std::count(json.begin(), json.end(), '}'));
}

// Whatever a machine calls its CPU, and with what belongs to the report besides.
TEST(BenchDecodeReport, JsonIsValidWithLongNames) {
  BenchDecodeReport report;
  report.machine.cpu_model = std::string(1999, 'x') + "\"";
  report.failures = {std::string(2000, 'y') + "}"};
  std::string text;
  json::Writer writer(text);
  writer.BeginObject();
  WriteMembers(writer, report);
  WriteJson(writer.Key("isolation"), BenchIsolation{});
  BenchGpuDecode gpu;
  gpu.device = std::string(2000, 'z');
  gpu.rows.emplace_back().missing = std::string(2000, '{');
  WriteJson(writer.Key("gpu"), gpu);
  writer.EndObject();
  const boost::json::value json = boost::json::parse(text);
  EXPECT_EQ(json.at("machine").at("cpu").as_string(), report.machine.cpu_model);
  EXPECT_EQ(json.at("failures").at(0).as_string(), report.failures[0]);
  EXPECT_EQ(json.at("isolation").at("latency_rounds").as_int64(), 0);
  EXPECT_EQ(json.at("gpu").at("device").as_string(), gpu.device);
  EXPECT_EQ(json.at("gpu").at("rows").at(0).at("missing").as_string(), gpu.rows[0].missing);
}

TEST_F(BenchDecodeTest, NothingToMeasureIsAnError) {
  EXPECT_EQ(RunBenchDecode(options_).status().code(), Code::kInvalidRequest);
  options_.files = {Write("page.jpg", std::string("<html>"))};
  const Status status = RunBenchDecode(options_).status();
  EXPECT_EQ(status.code(), Code::kInvalidRequest);
  EXPECT_THAT(status.message(), HasSubstr("HTML"));
}

}  // namespace
}  // namespace photovec::bench
