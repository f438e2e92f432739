// SPDX-License-Identifier: MIT
#include "decode/gpu/gpu_decoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "testing/test_images.h"

namespace photovec::decode {
namespace {

// Fills slots with 7; counts; may refuse.
class FakeService : public GpuJpegService {
 public:
  void Decode(device::JpegJob& job, CpuTurn& turn) override {
    ++calls;
    if (leaves_to_cpu) {
      turn = MakeTurn();
      job.status = {Code::kNotImplemented, "a CPU was free first"};
      return;
    }
    last = job;
    transposed = job.plan->transposed;
    taps = job.x->taps.size();
    job.status = answer;
    if (answer.ok()) std::fill(job.out.begin(), job.out.end(), 7);
  }
  CpuTurn AwaitCpu(bool refused) override {
    ++awaited;
    after_refusal += refused ? 1 : 0;
    return MakeTurn();
  }
  CpuTurn MakeTurn() {
    ++turns;
    return {this, [](void* self) { --static_cast<FakeService*>(self)->turns; }};
  }
  int calls = 0;
  int awaited = 0;  // CPUs for photos that no GPU decodes
  int after_refusal = 0;
  int turns = 0;  // out now
  bool leaves_to_cpu = false;
  device::JpegJob last;
  bool transposed = false;
  size_t taps = 0;
  Status answer;
};

class GpuDecoderTest : public testing::Test {
 protected:
  GpuDecoderTest() : out_(spec_.slot_bytes()) {}
  Result<DecodeReport> Decode(const test::Encoded& photo) {
    std::fill(out_.begin(), out_.end(), 0);
    return MakeGpuDecoder(service_, MakeInProcessDecoder())->Decode({photo, &spec_, options_, out_});
  }
  bool FromGpu() const {
    return std::all_of(out_.begin(), out_.end(), [](uint8_t v) { return v == 7; });
  }

  preprocess::Spec spec_;
  DecodeOptions options_;
  FakeService service_;
  std::vector<uint8_t> out_;
  const test::Raster photo_ = test::MakePhoto(640, 480, 3);
  const test::Encoded jpeg_ = test::EncodeJpeg(photo_);
};

TEST_F(GpuDecoderTest, PlainJpegsGoToTheGpu) {
  const auto report = Decode(jpeg_);
  ASSERT_TRUE(report.ok());
  EXPECT_TRUE(FromGpu());
  EXPECT_TRUE(IsForGpu({jpeg_, &spec_, options_, out_}));
  EXPECT_EQ(report->format, Format::kJpeg);
  EXPECT_EQ(report->width, 640);
  EXPECT_EQ(report->height, 480);
  EXPECT_EQ(report->scale_denominator, 1);
  EXPECT_EQ(service_.last.crop, 224);
  EXPECT_EQ(service_.taps, 224U);
  EXPECT_FALSE(service_.transposed);
}

TEST_F(GpuDecoderTest, OrientationIsInThePlan) {
  const auto report = Decode(test::JpegWithExif(jpeg_, test::ExifBlock(6)));
  ASSERT_TRUE(report.ok());
  EXPECT_TRUE(FromGpu());
  EXPECT_EQ(report->orientation, 6);
  EXPECT_TRUE(service_.transposed);
}

// The same pixels under another frame marker.
test::Encoded AsExtended(test::Encoded jpeg) {
  for (size_t i = 0; i + 1 < jpeg.size(); ++i) {
    if (jpeg[i] == 0xFF && jpeg[i + 1] == 0xC0) {
      jpeg[i + 1] = 0xC1;
      return jpeg;
    }
  }
  ADD_FAILURE() << "no SOF0";
  return jpeg;
}

TEST_F(GpuDecoderTest, EverythingElseGoesToTheCpu) {
  const std::vector<std::pair<const char*, test::Encoded>> photos = {
      {"progressive", test::EncodeJpeg(photo_, {.progressive = true})},
      {"several scans", test::EncodeJpeg(photo_, {.sequential_multi_scan = true})},
      {"arithmetic coding", test::EncodeJpeg(photo_, {.arithmetic = true})},
      {"extended sequential", AsExtended(jpeg_)},
      {"CMYK", test::EncodeJpeg(test::MakePhoto(64, 64, 4))},
      {"PNG", test::EncodePng(photo_.width, photo_.height, photo_.samples, {})},
      {"WebP", test::EncodeWebp(photo_, false)},
  };
  for (const auto& [name, photo] : photos) {
    EXPECT_TRUE(Decode(photo).ok()) << name;
    EXPECT_FALSE(FromGpu()) << name;
    EXPECT_FALSE(IsForGpu({photo, &spec_, options_, out_})) << name;
  }
  EXPECT_EQ(service_.calls, 0);
}

TEST_F(GpuDecoderTest, TheCpuSaysWhatIsWrong) {
  EXPECT_EQ(Decode(test::Cut(jpeg_, jpeg_.size() / 2)).status().code(), Code::kImageCorrupt);
  EXPECT_EQ(Decode({}).status().code(), Code::kUnsupportedFormat);
  options_.limits.max_pixels = 1000;
  EXPECT_EQ(Decode(jpeg_).status().code(), Code::kTooManyPixels);
  EXPECT_EQ(service_.calls, 0) << "limits come first";
}

TEST_F(GpuDecoderTest, PaddingBehindTheImageIsNoDamage) {
  test::Encoded padded = jpeg_;
  padded.insert(padded.end(), 16, 0);
  EXPECT_TRUE(Decode(padded).ok());
  EXPECT_TRUE(FromGpu());
}

TEST_F(GpuDecoderTest, OtherPreprocessingStaysOnTheCpu) {
  options_.color = ColorMode::kSrgb;
  EXPECT_TRUE(Decode(jpeg_).ok());
  options_.color = ColorMode::kIgnore;
  spec_ = preprocess::SquashVariant(spec_);
  options_.jpeg_scaling = JpegScaling::kExact;
  EXPECT_TRUE(Decode(jpeg_).ok());
  EXPECT_EQ(service_.calls, 0);
}

TEST_F(GpuDecoderTest, WhatTheGpuFailsOnTheCpuDecodes) {
  for (const Code code : {Code::kNotImplemented, Code::kDeviceFailed}) {
    service_.answer = Status(code, "no");
    EXPECT_TRUE(Decode(jpeg_).ok());
    EXPECT_FALSE(FromGpu());
  }
  EXPECT_EQ(service_.calls, 2);
}

// Whoever decodes on a CPU has a turn: one of the service's, or one that it asked for. It gives it back.
TEST_F(GpuDecoderTest, CpusAreUsedInTurn) {
  EXPECT_TRUE(Decode(jpeg_).ok());
  EXPECT_EQ(service_.awaited, 0) << "the GPU decoded it";
  service_.leaves_to_cpu = true;
  EXPECT_TRUE(Decode(jpeg_).ok());
  EXPECT_FALSE(FromGpu());
  EXPECT_EQ(service_.awaited, 0) << "it has a turn already";
  service_.leaves_to_cpu = false;
  EXPECT_TRUE(Decode(test::EncodeWebp(photo_, false)).ok());
  EXPECT_EQ(service_.awaited, 1);
  service_.answer = Status(Code::kNotImplemented, "no");
  EXPECT_TRUE(Decode(jpeg_).ok());
  EXPECT_EQ(service_.awaited, 2);
  EXPECT_EQ(service_.after_refusal, 1);
  EXPECT_EQ(service_.turns, 0);
}

}  // namespace
}  // namespace photovec::decode
