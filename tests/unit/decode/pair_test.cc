// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/random.h"
#include "decode/formats/jpeg/own/own_decoder.h"
#include "testing/list_feed.h"
#include "unit/decode/decode_testing.h"

// Two photos at a time on one thread give what each alone gives.
namespace photovec::decode {
namespace {

using test::Encoded;
using test::EncodeJpeg;
using test::JpegOptions;
using test::ListFeed;
using test::MakePhoto;

preprocess::Spec SmallSpec() {
  preprocess::Spec spec;
  spec.resize_short = 64;
  spec.crop = 64;
  return spec;
}

Encoded Jpeg(int width, int height, uint32_t seed, int channels = 3, JpegOptions options = {}) {
  options.optimized = seed % 2 == 1;  // tables of its own
  return EncodeJpeg(MakePhoto(width, height, channels, seed), options);
}

Encoded SmallPng() { return test::EncodePng(80, 60, MakePhoto(80, 60, 3).samples, {}); }

class Pair : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!jpeg::OwnDecoder::SupportedHere()) GTEST_SKIP() << "this CPU has no AVX2: libjpeg-turbo decodes all";
  }

  /// Decodes all through one feed, and each alone; the outcomes must be equal. \return the feed.
  ListFeed Run(const std::vector<Encoded>& files, const DecodeOptions& options = {}) {
    ListFeed feed(files, spec_, options);
    feed.RunAll(*decoder_);
    EXPECT_TRUE(feed.complete());
    const auto alone = MakeInProcessDecoder();
    for (size_t i = 0; i < files.size() && feed.complete(); ++i) {
      std::vector<uint8_t> pixels(spec_.slot_bytes());
      const auto report = alone->Decode({files[i], &spec_, options, pixels});
      EXPECT_EQ(feed.report(i).status().ToString(), report.status().ToString()) << "file " << i;
      if (!report.ok() || !feed.report(i).ok()) continue;
      EXPECT_EQ(feed.pixels(i), pixels) << "file " << i;
      EXPECT_EQ(feed.report(i)->width, report->width) << "file " << i;
      EXPECT_EQ(feed.report(i)->scale_denominator, report->scale_denominator) << "file " << i;
      EXPECT_EQ(feed.report(i)->own_jpeg_decoder, report->own_jpeg_decoder) << "file " << i;
      EXPECT_FALSE(report->in_pair);
    }
    return feed;
  }

  const preprocess::Spec spec_ = SmallSpec();
  const std::unique_ptr<Decoder> decoder_ = MakeInProcessDecoder();
};

TEST_F(Pair, PhotosOfAllKindsGiveTheSameBesideEachOther) {
  std::vector<Encoded> files;
  for (uint32_t seed = 1; seed < 60; ++seed) {
    JpegOptions options;
    options.h_samp = 1 + static_cast<int>(seed % 2);
    options.v_samp = 1 + static_cast<int>(seed / 2 % 2);
    options.quality = 40 + static_cast<int>(seed);
    options.restart_mcus = seed % 5 == 0 ? 3 : 0;
    const int width = 1 + static_cast<int>(seed * 37 % 500);
    files.push_back(
        Jpeg(width, 1 + static_cast<int>(seed * 101 % 400), seed, seed % 7 == 0 ? 1 : 3, options));
  }
  const ListFeed feed = Run(files);
  int pairs = 0;
  for (size_t i = 0; i < files.size(); ++i) pairs += feed.report(i)->in_pair ? 1 : 0;
  EXPECT_GT(pairs, 40) << "some end before their second one is given";
}

TEST_F(Pair, ASmallOneDoesNotWaitForALargeOne) {
  const std::vector<Encoded> files = {Jpeg(1500, 1500, 1), Jpeg(90, 90, 2), Jpeg(90, 90, 3)};
  const ListFeed feed = Run(files);
  EXPECT_THAT(feed.order(), ::testing::ElementsAre(1, 2, 0));
  for (size_t i = 0; i < 3; ++i) EXPECT_TRUE(feed.report(i)->in_pair) << i;
}

TEST_F(Pair, WhatCannotBeInterleavedWaitsUntilTheOtherOneIsDone) {
  JpegOptions progressive;
  progressive.progressive = true;
  Encoded cut = Jpeg(300, 300, 4);
  cut.resize(cut.size() / 2);
  const std::vector<Encoded> files = {
      Jpeg(700, 700, 1), Jpeg(300, 200, 2, 3, progressive), SmallPng(),           Jpeg(700, 700, 3), cut,
      Encoded{},         Encoded{0xFF, 0xD8, 0xFF},         Jpeg(200, 200, 5, 4),  // CMYK
      Jpeg(200, 200, 6)};
  const ListFeed feed = Run(files);
  EXPECT_EQ(feed.order().front(), 0U);
  EXPECT_FALSE(feed.report(1)->in_pair);
  EXPECT_FALSE(feed.report(4).ok());
}

TEST_F(Pair, OnesThatNeedTooMuchMemoryTogetherTakeTurns) {
  const std::vector<Encoded> files = {Jpeg(900, 900, 1), Jpeg(900, 900, 2)};
  DecodeOptions options;
  options.jpeg_scaling = JpegScaling::kExact;  // 2.4 MB of pixels each, and what a codec needs
  EXPECT_TRUE(Run(files, options).report(0)->in_pair);
  const Result<ImageHeader> header = ProbeHeader(files[0]);
  options.limits.max_decoder_bytes = EstimateCost(*header, 1, options.alpha, files[0].size()).bytes * 3 / 2;
  EXPECT_FALSE(Run(files, options).report(0)->in_pair);
}

TEST_F(Pair, WithoutTheOwnDecoderThereAreNone) {
  DecodeOptions options;
  options.jpeg_decoder = JpegChoice::kLibjpegTurbo;
  const ListFeed feed = Run({Jpeg(300, 300, 1), Jpeg(300, 300, 2)}, options);
  EXPECT_FALSE(feed.report(0)->in_pair);
  EXPECT_FALSE(feed.report(1)->own_jpeg_decoder);
}

/// A hostile photo may end in any way: the honest one beside it has its own pixels.
TEST_F(Pair, DamageDoesNotReachTheOtherPhoto) {
  SplitMix64 random(7);
  const Encoded honest = Jpeg(640, 480, 2);
  JpegOptions restarts;
  restarts.restart_mcus = 4;
  const Encoded victims[] = {Jpeg(320, 480, 3), Jpeg(320, 240, 4, 3, restarts), Jpeg(300, 600, 5, 1)};
  int handed_back = 0;
  for (int round = 0; round < 400; ++round) {
    Encoded hostile = victims[round % 3];
    const size_t head = test::Find(hostile, "\xFF\xDA") + 14;
    for (uint64_t flips = 1 + random.Next() % 20; flips > 0; --flips) {
      hostile[head + random.Next() % (hostile.size() - head)] = static_cast<uint8_t>(random.Next());
    }
    const bool first = round % 2 == 0;
    const ListFeed feed = Run({first ? hostile : honest, first ? honest : hostile});
    ASSERT_FALSE(HasFailure()) << "round " << round;
    ASSERT_TRUE(feed.report(first ? 1 : 0)->own_jpeg_decoder);
    if (!feed.report(first ? 0 : 1).ok()) ++handed_back;
  }
  EXPECT_GT(handed_back, 50);
}

}  // namespace
}  // namespace photovec::decode
