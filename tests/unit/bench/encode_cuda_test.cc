// SPDX-License-Identifier: MIT
#include "bench/encode_cuda.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/encode_model.h"
#include "encode/factory.h"
#include "testing/fake_cuda.h"

namespace photovec::bench {
namespace {

// A GPU whose lanes run the reference encoder: what the benchmark verifies is then true.
class ReferencePlatform : public device::test::FakePlatform {
 public:
  Result<std::unique_ptr<device::DeviceModel>> Load(int /*device*/, const model::VisionModel& model,
                                                    const model::TextModel* /*text*/,
                                                    const device::DeviceModelOptions& options) override {
    encode::EncoderOptions reference;
    reference.normalization = options.normalization;
    reference.precision = encode::Precision::kF32;
    auto made = encode::CreateEncoder(encode::Backend::kReference, model, nullptr, reference);
    if (!made.ok()) return made.status();
    encoders_.push_back(std::move(*made));
    const auto dim = static_cast<size_t>(model.config.embedding_dim());
    encode::Encoder& encoder = *encoders_.back();
    std::mutex& mutex = mutex_;
    const float factor = wrong ? -1.0F : 1.0F;
    return std::unique_ptr<device::DeviceModel>(std::make_unique<device::test::FakeDeviceModel>(
        faults, 0, dim, [&encoder, &mutex, factor](const uint8_t* pixels, std::span<float> out) {
          const std::scoped_lock lock(mutex);
          const PixelSlot slot{pixels, PixelSlot::kHost};
          const auto ticket = encoder.stream(0).Submit({&slot, 1}, out);
          ASSERT_TRUE(ticket.ok() && encoder.stream(0).Wait(*ticket).ok());
          for (float& v : out) v *= factor;
        }));
  }
  bool wrong = false;

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<encode::Encoder>> encoders_;
};

BenchCudaOptions TinyCuda() {
  BenchCudaOptions options;
  options.model = "tiny";
  options.streams = {1, 2};
  options.batches = {1, 2};
  options.inputs = {PixelSource::kPinned, PixelSource::kPageable, PixelSource::kDevice};
  options.seconds = 0.01;
  options.alone_batches = 1;
  return options;
}

TEST(BenchCuda, MeasuresWhatItVerified) {
  ReferencePlatform platform;
  int told = 0;
  BenchCudaOptions options = TinyCuda();
  options.progress = [&](const std::string&) { ++told; };
  const auto report = RunBenchCuda(platform, options);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  ASSERT_EQ(report->rows.size(), 12U);
  EXPECT_EQ(told, 12);
  EXPECT_NE(report->verified.find("cosine"), std::string::npos) << report->verified;
  for (const BenchCudaRow& row : report->rows) {
    EXPECT_GT(row.images_per_s, 0);
    EXPECT_NEAR(row.tflops, row.images_per_s * report->executed_flops_per_image * 1e-12, row.tflops * 1e-6);
    EXPECT_NEAR(row.share_of_ceiling, row.tflops / 1.0, row.tflops * 1e-6);
    EXPECT_GE(row.loaded_p95_us, row.loaded_p50_us);
    EXPECT_GE(row.alone_p95_us, row.alone_p50_us);
  }
  EXPECT_EQ(platform.faults.pinned, 0) << "slots are given up again";
  const auto json = boost::json::parse(ToJson(*report)).as_object();
  EXPECT_EQ(json.at("measurements").as_array().size(), 12U);
  EXPECT_EQ(json.at("device").as_string(), "Fake GPU");
  EXPECT_NE(ToText(*report).find("pageable"), std::string::npos);
}

TEST(BenchCuda, JsonIsValidWithLongNames) {
  BenchCudaReport report;
  report.device.name = std::string(2000, 'x');
  BenchCudaRow row;
  row.precision = std::string(2000, 'y');
  report.rows = {row};
  const auto json = boost::json::parse(ToJson(report));
  EXPECT_EQ(json.at("device").as_string(), report.device.name);
  EXPECT_EQ(json.at("measurements").at(0).at("precision").as_string(), row.precision);
}

TEST(BenchCuda, RefusesToTimeWrongAnswers) {
  ReferencePlatform platform;
  platform.wrong = true;
  const auto report = RunBenchCuda(platform, TinyCuda());
  EXPECT_EQ(report.status().code(), Code::kInternal);
  EXPECT_NE(report.status().message().find("wrong vectors"), std::string::npos) << report.status().message();
}

TEST(BenchCuda, ChecksItsOptions) {
  ReferencePlatform platform;
  for (const int batch : {0, 5000}) {
    BenchCudaOptions options = TinyCuda();
    options.batches = {batch};
    EXPECT_EQ(RunBenchCuda(platform, options).status().code(), Code::kInvalidRequest);
  }
}

TEST(BenchCuda, PredictsTheBatchThatFillsTheGpu) {
  EXPECT_EQ(PredictedBatch(132, 768, 50), 112);   // ViT-B/32 on an H200
  EXPECT_EQ(PredictedBatch(132, 1024, 257), 16);  // ViT-L/14
  EXPECT_EQ(PredictedBatch(40, 1024, 577), 2);    // ViT-L/14-336 on a T4
  EXPECT_EQ(PredictedBatch(1, 8192, 10'000), 1);
}

}  // namespace
}  // namespace photovec::bench
