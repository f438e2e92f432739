// SPDX-License-Identifier: MIT
// JPEGs through nvJPEG and the GPU's resize, beside the CPU's decoder.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <thread>

#include "decode/gpu/gpu_decoder.h"
#include "decode/gpu/jpeg_scheduler.h"
#include "device/cuda/loader.h"
#include "preprocess/geometry.h"
#include "preprocess/resize.h"
#include "preprocess/taps.h"
#include "testing/test_images.h"

namespace photovec::device {
namespace {

preprocess::Spec Spec(int crop) {
  preprocess::Spec spec;
  spec.crop = spec.resize_short = crop;
  return spec;
}

struct Shape {
  int width;
  int height;
};
constexpr Shape kShapes[] = {{640, 480}, {481, 640},  {1600, 1200}, {224, 224},
                             {100, 80},  {3000, 200}, {61, 977}};

class JpegDecoderOnDevice : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    auto platform = device::LoadPlugin();
    ASSERT_TRUE(platform.ok()) << platform.status().message();
    device::JpegDecoderOptions options;
    options.hardware = GetParam();
    auto decoder = (*platform)->CreateJpegDecoder(0, options);
    ASSERT_TRUE(decoder.ok()) << decoder.status().message();
    decoder_ = std::move(*decoder);
    std::printf("  %s\n", decoder_->detail().c_str());
  }
  std::unique_ptr<JpegDecoder> decoder_;
};

TEST_P(JpegDecoderOnDevice, ResizesAsTheCpuBitForBit) {
  preprocess::Preprocessor cpu;
  for (const int crop : {224, 336}) {
    const preprocess::Spec spec = Spec(crop);
    for (const Shape& shape : kShapes) {
      const test::Raster photo = test::MakePhoto(shape.width, shape.height, 3);
      const RgbView view{photo.samples.data(), shape.width, shape.height,
                         static_cast<size_t>(shape.width) * 3};
      for (int orientation = 1; orientation <= 8; ++orientation) {
        const preprocess::DecodedPhoto source{view, shape.width, shape.height, 1, orientation};
        std::vector<uint8_t> expected(spec.slot_bytes());
        ASSERT_TRUE(cpu.Run(source, spec, expected).ok());
        const auto plan = preprocess::MakeResizePlan(source, spec);
        ASSERT_TRUE(plan.ok());
        const preprocess::TapTable x = preprocess::BuildTapTable(plan->x.key);
        const preprocess::TapTable y = preprocess::BuildTapTable(plan->y.key);
        std::vector<uint8_t> got(spec.slot_bytes(), 77);
        JpegJob job{{}, photo.samples, shape.width, shape.height, &*plan, &x, &y, crop, got, Status::Ok()};
        JpegJob* const jobs[] = {&job};
        ASSERT_EQ(decoder_->Run(jobs), 1U);
        ASSERT_TRUE(job.status.ok()) << job.status.message();
        EXPECT_EQ(got, expected) << shape.width << "x" << shape.height << ", orientation " << orientation;
      }
    }
  }
}

double Psnr(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b) {
  double squares = 0;
  for (size_t i = 0; i < a.size(); ++i) squares += (a[i] - b[i]) * (a[i] - b[i]);
  return squares == 0 ? 99 : 10 * std::log10(255.0 * 255.0 * static_cast<double>(a.size()) / squares);
}

TEST_P(JpegDecoderOnDevice, DecodesAsTheCpuWithinSomeLevels) {
  std::vector<decode::GpuJpegScheduler::Worker> workers;
  workers.push_back({std::move(decoder_)});
  decode::GpuJpegScheduler service(std::move(workers));
  const preprocess::Spec spec = Spec(224);
  decode::DecodeOptions options;
  options.jpeg_scaling = decode::JpegScaling::kExact;
  std::vector<test::Encoded> photos;
  for (const Shape& shape : kShapes) {
    for (const int sampling : {1, 2}) {
      test::JpegOptions jpeg;
      jpeg.h_samp = jpeg.v_samp = sampling;
      photos.push_back(test::EncodeJpeg(test::MakePhoto(shape.width, shape.height, 3), jpeg));
      photos.push_back(test::JpegWithExif(photos.back(), test::ExifBlock(6)));
    }
    photos.push_back(
        test::EncodeJpeg(test::MakePhoto(shape.width, shape.height, 1), {.h_samp = 1, .v_samp = 1}));
  }
  std::vector<std::thread> threads;
  std::vector<double> psnr(photos.size());
  for (size_t i = 0; i < photos.size(); ++i) {  // together: batches of several sizes
    threads.emplace_back([&, i] {
      const auto gpu = decode::MakeGpuDecoder(service, decode::MakeInProcessDecoder());
      const auto cpu = decode::MakeInProcessDecoder();
      std::vector<uint8_t> a(spec.slot_bytes());
      std::vector<uint8_t> b(spec.slot_bytes());
      const auto report = gpu->Decode({photos[i], &spec, options, a});
      EXPECT_TRUE(report.ok()) << report.status().message();
      EXPECT_TRUE(cpu->Decode({photos[i], &spec, options, b}).ok());
      psnr[i] = Psnr(a, b);
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto counts = service.counts();
  std::printf(
      "  PSNR to the CPU's exact pixels: least %.1f dB; %lld on the GPU, %lld refused, %lld batches\n",
      *std::min_element(psnr.begin(), psnr.end()), static_cast<long long>(counts.decoded),
      static_cast<long long>(counts.refused), static_cast<long long>(counts.decoders.batches));
  for (size_t i = 0; i < psnr.size(); ++i) EXPECT_GE(psnr[i], 35) << "photo " << i;
  EXPECT_GT(counts.decoded, 0);
}

TEST_P(JpegDecoderOnDevice, ABadJpegHarmsNoNeighbour) {
  std::vector<decode::GpuJpegScheduler::Worker> workers;
  workers.push_back({std::move(decoder_)});
  decode::GpuJpegScheduler service(std::move(workers));
  const preprocess::Spec spec = Spec(224);
  const decode::DecodeOptions options;
  const test::Encoded good = test::EncodeJpeg(test::MakePhoto(640, 480, 3));
  test::Encoded bad = good;
  for (size_t i = bad.size() / 2; i < bad.size() / 2 + 200; ++i) bad[i] = static_cast<uint8_t>(i * 37);
  const test::Encoded cut = test::Cut(good, good.size() / 2);
  const test::Encoded progressive = test::EncodeJpeg(test::MakePhoto(640, 480, 3), {.progressive = true});
  const auto decode = [&](const test::Encoded& photo, std::vector<uint8_t>& out) {
    out.assign(spec.slot_bytes(), 0);
    return decode::MakeGpuDecoder(service, decode::MakeInProcessDecoder())
        ->Decode({photo, &spec, options, out});
  };
  std::vector<uint8_t> alone;
  ASSERT_TRUE(decode(good, alone).ok());
  std::vector<std::thread> threads;
  for (int i = 0; i < 24; ++i) {
    threads.emplace_back([&, i] {
      std::vector<uint8_t> out;
      if (i % 4 == 0) {
        (void)decode(bad, out);  // either verdict: the damage may be one that decoders do not see
      } else if (i % 4 == 1) {
        EXPECT_EQ(decode(cut, out).status().code(), Code::kImageCorrupt);
      } else if (i % 4 == 2) {
        EXPECT_TRUE(decode(progressive, out).ok());
      } else {
        EXPECT_TRUE(decode(good, out).ok());
        EXPECT_EQ(out, alone);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// Photos in other batches, at other places in nvJPEG's memory: their pixels stay, and once warm nothing is
// asked of the driver.
TEST_P(JpegDecoderOnDevice, ReusedMemoryShowsInNoPixel) {
  constexpr int kWarm = 4;
  const preprocess::Spec spec = Spec(224);
  std::vector<test::Encoded> photos;
  std::vector<preprocess::ResizePlan> plans;
  std::vector<preprocess::TapTable> xs;
  std::vector<preprocess::TapTable> ys;
  for (int i = 0; i < 24; ++i) {
    const Shape shape{640 + 32 * i, 480 + 16 * i};
    photos.push_back(
        test::EncodeJpeg(test::MakePhoto(shape.width, shape.height, 3, static_cast<uint32_t>(i))));
    const RgbView view{photos[0].data(), shape.width, shape.height, static_cast<size_t>(shape.width) * 3};
    plans.push_back(*preprocess::MakeResizePlan({view, shape.width, shape.height, 1, 1}, spec));
    xs.push_back(preprocess::BuildTapTable(plans.back().x.key));
    ys.push_back(preprocess::BuildTapTable(plans.back().y.key));
  }
  std::vector<std::vector<uint8_t>> first(photos.size());
  int64_t warm = 0;
  for (size_t round = 0; round < 20; ++round) {
    std::vector<std::vector<uint8_t>> got(photos.size(), std::vector<uint8_t>(spec.slot_bytes()));
    std::vector<JpegJob> all(photos.size());
    std::vector<JpegJob*> jobs;
    for (size_t at = 0; at < photos.size(); ++at) {  // each round begins with another photo
      const size_t i = (at + 5 * round) % photos.size();
      const int width = 640 + 32 * static_cast<int>(i);
      const int height = 480 + 16 * static_cast<int>(i);
      all[i] = {photos[i], {}, width, height, &plans[i], &xs[i], &ys[i], spec.crop, got[i], Status::Ok()};
      jobs.push_back(&all[i]);
    }
    for (size_t done = 0; done < jobs.size();) done += decoder_->Run(std::span(jobs).subspan(done));
    for (size_t i = 0; i < photos.size(); ++i) {
      ASSERT_TRUE(all[i].status.ok()) << all[i].status.message();
      if (round == 0) {
        first[i] = got[i];
      } else {
        ASSERT_EQ(got[i], first[i]) << "photo " << i << ", round " << round;
      }
    }
    if (round == kWarm) warm = decoder_->counts().allocations;
  }
  const device::JpegDecoderCounts counts = decoder_->counts();
  std::printf("  a batch of 24: submit %.2f ms, decode %.2f ms, resize %.2f ms; %lld allocations\n",
              static_cast<double>(counts.submit_us) / 1e3 / static_cast<double>(counts.batches),
              static_cast<double>(counts.decode_us) / 1e3 / static_cast<double>(counts.batches),
              static_cast<double>(counts.resize_us) / 1e3 / static_cast<double>(counts.batches),
              static_cast<long long>(counts.allocations));
  EXPECT_EQ(counts.allocations, warm);
}

INSTANTIATE_TEST_SUITE_P(Kinds, JpegDecoderOnDevice, testing::Bool(),
                         [](const auto& info) { return std::string(info.param ? "engines" : "cuda"); });

}  // namespace
}  // namespace photovec::device
