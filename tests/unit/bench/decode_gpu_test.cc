// SPDX-License-Identifier: MIT
#include "bench/decode_gpu.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <memory>
#include <string>
#include <vector>

#include "testing/fake_cuda.h"
#include "testing/fake_jpeg_decoder.h"
#include "testing/test_images.h"

namespace photovec::bench {
namespace {

using device::JpegDecoder;
using device::JpegDecoderOptions;
using device::JpegJob;

// Another picture than the photo's.
class WrongDecoder final : public JpegDecoder {
 public:
  const std::string& detail() const override { return detail_; }
  device::JpegDecoderCounts counts() const override { return {}; }
  bool usable() const override { return true; }
  size_t Run(std::span<JpegJob* const> jobs) override {
    std::fill(jobs[0]->out.begin(), jobs[0]->out.end(), 3);
    jobs[0]->status = Status::Ok();
    return 1;
  }

 private:
  const std::string detail_ = "wrong";
};

class BenchGpuDecodeTest : public testing::Test {
 protected:
  BenchGpuDecodeTest() {
    options_.threads = 2;
    for (uint32_t seed = 1; seed <= 3; ++seed)
      encoded_.push_back(test::EncodeJpeg(test::MakePhoto(96, 72, 3, seed)));
    encoded_.push_back(test::EncodeJpeg(test::MakePhoto(96, 72, 3), {.progressive = true}));
    platform_.make_jpeg_decoder =
        [](const JpegDecoderOptions& options) -> Result<std::unique_ptr<JpegDecoder>> {
      if (options.hardware) return Status(Code::kUnavailable, "fake: no JPEG engines");
      return std::unique_ptr<JpegDecoder>(std::make_unique<device::test::FakeJpegDecoder>(options));
    };
  }
  Result<BenchGpuDecode> Run() {
    const std::vector<std::span<const uint8_t>> photos(encoded_.begin(), encoded_.end());
    return RunBenchGpuDecode(options_, platform_, 0, photos, 0.3);
  }

  BenchDecodeOptions options_;
  std::vector<test::Encoded> encoded_;
  device::test::FakePlatform platform_;
};

TEST_F(BenchGpuDecodeTest, MeasuresWhatThereIsAndSaysWhatThereIsNot) {
  const auto bench = Run();
  ASSERT_TRUE(bench.ok()) << bench.status().message();
  EXPECT_EQ(bench->photos, 3);
  EXPECT_EQ(bench->left_out, 1) << "the progressive one";
  EXPECT_EQ(bench->device, "Fake GPU");
  ASSERT_EQ(bench->rows.size(), 11U);
  EXPECT_EQ(bench->rows[0].name, "2 CPU threads");
  EXPECT_DOUBLE_EQ(bench->rows[0].times_cpu, 1);
  for (const GpuDecodeRow& row : bench->rows) {
    if (row.name.find("engines") != std::string::npos) {
      EXPECT_NE(row.missing.find("no JPEG engines"), std::string::npos) << row.name;
      EXPECT_EQ(row.images_per_s, 0) << row.name;
      continue;
    }
    EXPECT_GT(row.images_per_s, 0) << row.name;
    EXPECT_GT(row.cpu_ms, 0) << row.name;
    EXPECT_NEAR(row.times_cpu, row.images_per_s / bench->rows[0].images_per_s, 1e-9);
    const bool on_gpu_alone = row.name.find("cuda") == 0 || row.name == "--decode-device=gpu";
    EXPECT_EQ(row.least_psnr_db, on_gpu_alone ? 99 : 0) << row.name;
    if (!on_gpu_alone) continue;
    EXPECT_GE(row.batch, 1) << row.name;
    EXPECT_DOUBLE_EQ(row.decode_ms, 1) << row.name;
    EXPECT_EQ(row.on_cpu, 0) << row.name;
    EXPECT_EQ(row.allocations, 0) << "those of the warm-up do not count";
  }
}

TEST_F(BenchGpuDecodeTest, TheReportsHoldEveryRow) {
  const auto bench = Run();
  ASSERT_TRUE(bench.ok()) << bench.status().message();
  const std::string text = ToText(*bench);
  std::string text_json;
  json::Writer writer(text_json);
  WriteJson(writer, *bench);
  const boost::json::value json = boost::json::parse(text_json);
  ASSERT_EQ(json.at("rows").as_array().size(), bench->rows.size());
  for (size_t i = 0; i < bench->rows.size(); ++i) {
    EXPECT_NE(text.find(bench->rows[i].name), std::string::npos);
    EXPECT_EQ(json.at("rows").at(i).at("name").as_string(), bench->rows[i].name);
    EXPECT_EQ(json.at("rows").at(i).at("missing").is_null(), bench->rows[i].missing.empty());
  }
  EXPECT_NE(text.find("fastest: "), std::string::npos);
  EXPECT_NE(text.find("1 other photos left out"), std::string::npos);
}

TEST_F(BenchGpuDecodeTest, WrongPixelsAreNotTimed) {
  platform_.make_jpeg_decoder =
      [](const JpegDecoderOptions& options) -> Result<std::unique_ptr<JpegDecoder>> {
    if (options.hardware) return std::unique_ptr<JpegDecoder>(std::make_unique<WrongDecoder>());
    return std::unique_ptr<JpegDecoder>(std::make_unique<device::test::FakeJpegDecoder>(options));
  };
  const auto bench = Run();
  ASSERT_TRUE(bench.ok()) << bench.status().message();
  for (const GpuDecodeRow& row : bench->rows) {
    if (row.name.find("engines") == 0) {
      EXPECT_NE(row.missing.find("pixels are not the CPU's"), std::string::npos) << row.name;
      EXPECT_EQ(row.images_per_s, 0);
    } else if (row.name.find("cuda") == 0) {
      EXPECT_GT(row.images_per_s, 0) << row.name;
    }
  }
}

TEST_F(BenchGpuDecodeTest, WithoutADecoderOrPlainJpegsItSaysSo) {
  encoded_.erase(encoded_.begin(), encoded_.begin() + 3);
  EXPECT_EQ(Run().status().code(), Code::kInvalidRequest);
  options_.decode.color = decode::ColorMode::kSrgb;
  encoded_.push_back(test::EncodeJpeg(test::MakePhoto(96, 72, 3)));
  EXPECT_EQ(Run().status().code(), Code::kInvalidRequest);
  options_.decode.color = decode::ColorMode::kIgnore;
  encoded_.push_back(test::EncodeJpeg(test::MakePhoto(96, 72, 3)));
  platform_.make_jpeg_decoder = nullptr;
  EXPECT_EQ(Run().status().code(), Code::kUnavailable);
}

}  // namespace
}  // namespace photovec::bench
