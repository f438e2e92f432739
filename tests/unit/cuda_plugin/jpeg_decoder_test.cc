// SPDX-License-Identifier: MIT
// The plug-in's JPEG decoder without a GPU: on a fake runtime and a fake nvJPEG, which are as late, as early
// and as forgetful as the real ones may be.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "device/cuda/plugin/jpeg/cuda_jpeg_decoder.h"
#include "preprocess/geometry.h"
#include "preprocess/resize.h"
#include "preprocess/taps.h"
#include "unit/cuda_plugin/fake_cudart.h"
#include "unit/cuda_plugin/fake_nvjpeg.h"

namespace photovec::device {
namespace {

using test::FakeGpu;
using test::FakeJpeg;
using test::FakeNvJpeg;

// A photo, what the CPU makes of it, and the job for the decoder.
class Photo {
 public:
  Photo(int width, int height, uint8_t seed, int orientation = 1, bool faulty = false, int crop = 32)
      : jpeg_(FakeJpeg(width, height, seed, faulty)) {
    spec_.crop = spec_.resize_short = crop;
    const std::vector<uint8_t> pixels = test::PixelsOf(jpeg_);
    const preprocess::DecodedPhoto source{
        {pixels.data(), width, height, static_cast<size_t>(width) * 3}, width, height, 1, orientation};
    expected.resize(spec_.slot_bytes());
    EXPECT_TRUE(preprocess::Preprocessor().Run(source, spec_, expected).ok());
    plan_ = *preprocess::MakeResizePlan(source, spec_);
    x_ = preprocess::BuildTapTable(plan_.x.key);
    y_ = preprocess::BuildTapTable(plan_.y.key);
    got.assign(spec_.slot_bytes(), 0xEE);
    job = {jpeg_, {}, width, height, &plan_, &x_, &y_, crop, got, Status::Ok()};
  }
  Photo(const Photo&) = delete;
  Photo& operator=(const Photo&) = delete;

  JpegJob job;
  std::vector<uint8_t> expected;
  std::vector<uint8_t> got;

 private:
  const std::vector<uint8_t> jpeg_;
  preprocess::Spec spec_;
  preprocess::ResizePlan plan_;
  preprocess::TapTable x_;
  preprocess::TapTable y_;
};
using Photos = std::vector<std::unique_ptr<Photo>>;

Photos Some(int count, uint8_t seed) {
  Photos photos;
  for (int i = 0; i < count; ++i)
    photos.push_back(std::make_unique<Photo>(64 + i, 48, static_cast<uint8_t>(seed + i)));
  return photos;
}

class JpegDecoderTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    FakeGpu::Get().Reset();
    FakeNvJpeg::Get() = {};
  }
  void TearDown() override {
    decoder_.reset();
    EXPECT_EQ(FakeNvJpeg::Get().trampled, 0);
    if (leaves_all_behind_) return;
    EXPECT_EQ(FakeGpu::Get().alive(), 0U) << "memory, streams or events are left";
    EXPECT_EQ(FakeNvJpeg::Get().handles + FakeNvJpeg::Get().states, 0);
  }
  Status Make(int most_jobs = 8, int most_pixels = 4'000'000) {
    JpegDecoderOptions options;
    options.hardware = GetParam();
    options.most_jobs = most_jobs;
    options.most_pixels = most_pixels;
    options.patience = std::chrono::milliseconds(20);
    auto decoder = CudaJpegDecoder::Create(test::FakeNvJpegLibrary(), 0, options);
    if (!decoder.ok()) return decoder.status();
    decoder_ = std::move(*decoder);
    return Status::Ok();
  }
  size_t Run(Photos& photos, size_t first = 0) {
    std::vector<JpegJob*> jobs;
    for (size_t i = first; i < photos.size(); ++i) jobs.push_back(&photos[i]->job);
    const size_t count = decoder_->Run(jobs);
    EXPECT_EQ(FakeGpu::Get().pending(), 0U) << "work that reads the caller's memory is still queued";
    return count;
  }
  static void ExpectRight(const Photos& photos, const std::string& where = "") {
    for (size_t i = 0; i < photos.size(); ++i) {
      EXPECT_TRUE(photos[i]->job.status.ok()) << where << i << ": " << photos[i]->job.status.message();
      EXPECT_EQ(photos[i]->got, photos[i]->expected) << where << "photo " << i;
    }
  }
  std::unique_ptr<CudaJpegDecoder> decoder_;
  bool leaves_all_behind_ = false;
};

TEST_P(JpegDecoderTest, PhotosOfAllKindsInOneBatchAreResizedAsTheCpuDoes) {
  ASSERT_TRUE(Make(32).ok());
  Photos photos;
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const auto seed = static_cast<uint8_t>(10 * orientation);
    photos.push_back(std::make_unique<Photo>(100 + orientation, 75, seed, orientation));
    photos.push_back(std::make_unique<Photo>(41, 333, static_cast<uint8_t>(seed + 1), orientation));
    photos.push_back(std::make_unique<Photo>(20, 18, static_cast<uint8_t>(seed + 2), orientation));
  }
  EXPECT_EQ(Run(photos), photos.size());
  ExpectRight(photos);
}

TEST_P(JpegDecoderTest, PixelsThatAreDecodedAlreadyAreOnlyResized) {
  ASSERT_TRUE(Make().ok());
  Photos photos = Some(1, 3);
  const std::vector<uint8_t> pixels = test::PixelsOf(FakeJpeg(64, 48, 3));
  photos[0]->job.encoded = {};
  photos[0]->job.pixels = pixels;
  EXPECT_EQ(Run(photos), 1U);
  ExpectRight(photos);
  EXPECT_EQ(FakeNvJpeg::Get().decode_calls, 0);
}

TEST_P(JpegDecoderTest, OnceWarmNothingIsAskedOfTheDriverNorSetUpAgain) {
  ASSERT_TRUE(Make().ok());
  for (int batch = 0; batch < 3; ++batch) {
    Photos photos = Some(6, static_cast<uint8_t>(20 * batch));
    ASSERT_EQ(Run(photos), 6U);
    ExpectRight(photos);
  }
  EXPECT_EQ(FakeNvJpeg::Get().initialized, 1);
  const int64_t warm = FakeGpu::Get().allocations;
  const int64_t counted = decoder_->counts().allocations;
  EXPECT_GT(counted, 0);
  for (int batch = 0; batch < 5; ++batch) {
    Photos photos = Some(6, static_cast<uint8_t>(20 * batch + 7));
    ASSERT_EQ(Run(photos), 6U);
    ExpectRight(photos);
  }
  EXPECT_EQ(FakeGpu::Get().allocations, warm);
  EXPECT_EQ(decoder_->counts().allocations, counted);
  EXPECT_EQ(FakeNvJpeg::Get().initialized, 1);
  Photos fewer = Some(2, 100);
  ASSERT_EQ(Run(fewer), 2U);
  ExpectRight(fewer);
  EXPECT_EQ(FakeNvJpeg::Get().initialized, 2) << "batches of another size need it";
  const JpegDecoderCounts counts = decoder_->counts();
  EXPECT_EQ(counts.batches, 9);
  EXPECT_EQ(counts.photos, 50);
}

TEST_P(JpegDecoderTest, ABadPhotoIsRefusedAndItsNeighboursAreRight) {
  ASSERT_TRUE(Make().ok());
  Photos photos = Some(3, 1);
  photos.push_back(std::make_unique<Photo>(64, 48, 9, 1, true));
  photos.push_back(std::make_unique<Photo>(50, 60, 10));
  EXPECT_EQ(Run(photos), 5U);
  EXPECT_EQ(photos[3]->job.status.code(), Code::kNotImplemented);
  photos.erase(photos.begin() + 3);
  ExpectRight(photos);
  Photos after = Some(5, 40);
  EXPECT_EQ(Run(after), 5U);
  ExpectRight(after, "after ");
}

TEST_P(JpegDecoderTest, AFailureOfTheWholeBatchIsTriedInHalves) {
  ASSERT_TRUE(Make().ok());
  FakeNvJpeg::Get().fails_on_call = 0;
  Photos photos = Some(4, 60);
  EXPECT_EQ(Run(photos), 4U);
  ExpectRight(photos);
  EXPECT_EQ(FakeNvJpeg::Get().batches, std::vector<int>({2, 2}));
}

TEST_P(JpegDecoderTest, OneBadPhotoCostsFewCalls) {
  ASSERT_TRUE(Make(32).ok());
  Photos photos = Some(32, 30);
  photos[13] = std::make_unique<Photo>(64, 48, 9, 1, true);
  EXPECT_EQ(Run(photos), 32U);
  EXPECT_EQ(photos[13]->job.status.code(), Code::kNotImplemented);
  EXPECT_EQ(FakeNvJpeg::Get().decode_calls, 11);  // 1, then two for each of five halvings
  photos.erase(photos.begin() + 13);
  ExpectRight(photos);
}

// What the engines cannot do would fail the whole batch.
TEST_P(JpegDecoderTest, UnknownSubsamplingIsRefusedAtOnce) {
  ASSERT_TRUE(Make().ok());
  for (const int subsampling : {0, 1, 2, 3, 4, 5, 6, 7, -1}) {
    FakeNvJpeg::Get().subsampling = subsampling;
    Photos photos = Some(1, 5);
    EXPECT_EQ(Run(photos), 1U);
    const bool odd = subsampling == 4 || subsampling == 5 || subsampling == 7;
    EXPECT_EQ(photos[0]->job.status.ok(), subsampling >= 0 && !(GetParam() && odd)) << subsampling;
  }
  EXPECT_EQ(FakeNvJpeg::Get().decode_calls, GetParam() ? 5 : 8);
}

// A failed allocation is told of once, and not by a launch that has nothing to do with it.
TEST_P(JpegDecoderTest, NoErrorIsLeftBehind) {
  ASSERT_TRUE(Make().ok());
  FakeGpu::Get().most_bytes = 0;
  Photos photos = Some(1, 5);
  EXPECT_EQ(Run(photos), 1U);
  EXPECT_EQ(photos[0]->job.status.code(), Code::kNotImplemented);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
}

TEST_P(JpegDecoderTest, WhatTheHeaderSaysOtherwiseIsRefused) {
  ASSERT_TRUE(Make().ok());
  Photos photos = Some(3, 5);
  const std::vector<uint8_t> other_size = FakeJpeg(65, 48, 5);
  const std::vector<uint8_t> four_components = FakeJpeg(65, 48, 6, false, 4);
  photos[0]->job.encoded = other_size;
  photos[1]->job.encoded = four_components;
  EXPECT_EQ(Run(photos), 3U);
  EXPECT_EQ(photos[0]->job.status.code(), Code::kNotImplemented);
  EXPECT_EQ(photos[1]->job.status.code(), Code::kNotImplemented);
  EXPECT_EQ(photos[2]->got, photos[2]->expected);
}

TEST_P(JpegDecoderTest, AsManyAsFitAreTakenAndTheTooLargeIsRefused) {
  ASSERT_TRUE(Make(8, 64 * 48 * 3).ok());
  Photos photos = Some(5, 5);
  size_t done = Run(photos);
  EXPECT_GE(done, 2U);
  EXPECT_LT(done, 5U);
  while (done < photos.size()) done += Run(photos, done);
  ExpectRight(photos);
  Photos large;
  large.push_back(std::make_unique<Photo>(400, 300, 1));
  EXPECT_EQ(Run(large), 1U);
  EXPECT_EQ(large[0]->job.status.code(), Code::kNotImplemented);
}

TEST_P(JpegDecoderTest, WithoutMemoryForNvJpegPhotosAreRefusedAndTheDecoderGoesOn) {
  ASSERT_TRUE(Make().ok());
  FakeGpu::Get().most_bytes = FakeGpu::Get().bytes + 20'000;  // two photos' worth
  Photos photos = Some(4, 5);
  EXPECT_EQ(Run(photos), 4U);
  ExpectRight(photos);  // one by one there is room
  FakeGpu::Get().most_bytes = 0;
  Photos larger;
  larger.push_back(std::make_unique<Photo>(200, 100, 1));
  EXPECT_EQ(Run(larger), 1U);
  EXPECT_EQ(larger[0]->job.status.code(), Code::kNotImplemented);
  FakeGpu::Get().most_bytes = size_t{1} << 30;
  EXPECT_EQ(Run(larger), 1U);
  ExpectRight(larger);
}

TEST_P(JpegDecoderTest, ABrokenContextIsToldToAll) {
  ASSERT_TRUE(Make().ok());
  FakeGpu::Get().waits_until_sticky = 0;
  Photos photos = Some(3, 5);
  std::vector<JpegJob*> jobs;
  for (const auto& photo : photos) jobs.push_back(&photo->job);
  EXPECT_EQ(decoder_->Run(jobs), 3U);
  for (const auto& photo : photos) EXPECT_EQ(photo->job.status.code(), Code::kDeviceFailed);
}

TEST_P(JpegDecoderTest, ItWaitsForWhatIsNotDoneYet) {
  ASSERT_TRUE(Make().ok());
  FakeGpu::Get().questions_before_done = 5;
  Photos photos = Some(3, 5);
  EXPECT_EQ(Run(photos), 3U);
  ExpectRight(photos);
}

// What hangs cannot be waited for, nor freed: the decoder says so at once from then on, and leaves it all
// behind.
TEST_P(JpegDecoderTest, AHangIsNoticedAndNotWaitedForAgain) {
  ASSERT_TRUE(Make().ok());
  EXPECT_TRUE(decoder_->usable());
  FakeGpu& gpu = FakeGpu::Get();
  gpu.hangs = true;
  Photos photos = Some(3, 5);
  std::vector<JpegJob*> jobs;
  for (const auto& photo : photos) jobs.push_back(&photo->job);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(decoder_->Run(jobs), 3U);
    for (const auto& photo : photos) EXPECT_EQ(photo->job.status.code(), Code::kDeviceFailed);
    EXPECT_FALSE(decoder_->usable());
  }
  EXPECT_NE(photos[0]->job.status.message().find("hangs"), std::string::npos);
  EXPECT_EQ(FakeNvJpeg::Get().decode_calls, 1);
  decoder_.reset();
  EXPECT_EQ(gpu.frees_while_hanging, 0);
  EXPECT_GT(gpu.alive(), 0U);
  EXPECT_EQ(FakeNvJpeg::Get().handles, 1) << "nor nvJPEG's";
  leaves_all_behind_ = true;
}

TEST_P(JpegDecoderTest, ItSaysWhatItIsAndWhyNot) {
  ASSERT_TRUE(Make().ok());
  EXPECT_EQ(decoder_->detail(), GetParam() ? "nvJPEG fake, 7 hardware engines" : "nvJPEG fake, CUDA");
  EXPECT_EQ(FakeNvJpeg::Get().preallocated_for, GetParam() ? 8 : 0);
  decoder_.reset();
  FakeNvJpeg::Get().can_interpolate = false;
  ASSERT_TRUE(Make().ok());
  EXPECT_NE(decoder_->detail().find("chroma not interpolated"), std::string::npos);
  decoder_.reset();
  FakeNvJpeg::Get().has_engines = false;
  const Status made = Make();
  EXPECT_EQ(made.ok(), !GetParam());
  if (GetParam()) {
    EXPECT_EQ(made.code(), Code::kUnavailable);
    EXPECT_NE(made.message().find("cannot use JPEG engines of this GPU"), std::string::npos)
        << made.message();
  }
}

TEST_P(JpegDecoderTest, WithoutMemoryForItsBuffersThereIsNone) {
  FakeGpu::Get().most_bytes = 1000;
  EXPECT_EQ(Make().code(), Code::kDeviceOutOfMemory);
}

INSTANTIATE_TEST_SUITE_P(Kinds, JpegDecoderTest, testing::Bool(),
                         [](const auto& info) { return std::string(info.param ? "engines" : "cuda"); });

}  // namespace
}  // namespace photovec::device
