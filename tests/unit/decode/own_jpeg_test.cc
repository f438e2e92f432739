// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "base/random.h"
#include "decode/formats/jpeg/own/own_decoder.h"
#include "unit/decode/decode_testing.h"

// The own decoder against libjpeg-turbo: the same pixels, or libjpeg-turbo's own answer.
namespace photovec::decode {
namespace {

using test::Encoded;
using test::EncodeJpeg;
using test::JpegOptions;
using test::MakePhoto;

constexpr int kScales[] = {1, 2, 4, 8};

struct Outcome {
  Status status;
  RgbImage image;
  bool own = false;
};

/// Through DecodePixels, as the server does it.
Outcome Decode(const Encoded& jpeg, const ImageHeader& header, int scale, const PixelWindow& window,
               JpegChoice decoder) {
  PixelRequest request;
  request.encoded = jpeg;
  request.header = &header;
  request.scale_denominator = scale;
  request.window = window;
  request.jpeg_decoder = decoder;
  CodecScratch scratch;
  Outcome outcome;
  outcome.status = DecodePixels(request, &scratch, &outcome.image);
  outcome.own = scratch.by_own_decoder;
  return outcome;
}

/// Of the window.
bool SamePixels(const RgbImage& a, const RgbImage& b, const PixelWindow& window) {
  if (a.width() != b.width() || a.height() != b.height()) return false;
  const int first = std::clamp(window.first_column, 0, a.width());
  const int end = std::clamp(window.end_column, first, a.width());
  for (int y = window.first_row; y < std::min(a.height(), window.end_row); ++y) {
    const ptrdiff_t from = ptrdiff_t{3} * first;
    if (std::memcmp(a.view().Row(y) + from, b.view().Row(y) + from, size_t{3} * (end - first)) != 0)
      return false;
  }
  return true;
}

enum class Seen { kOwn, kFellBack, kNoHeader };

/// Checks that both decoders say and give the same.
Seen Compare(const Encoded& jpeg, int scale, const PixelWindow& window = {}) {
  const Result<ImageHeader> header = ProbeHeader(jpeg);
  if (!header.ok()) return Seen::kNoHeader;
  const Outcome turbo = Decode(jpeg, *header, scale, window, JpegChoice::kLibjpegTurbo);
  const Outcome own = Decode(jpeg, *header, scale, window, JpegChoice::kAuto);
  EXPECT_EQ(own.status.ToString(), turbo.status.ToString());
  EXPECT_FALSE(turbo.own);
  if (own.status.ok() && turbo.status.ok()) {
    EXPECT_TRUE(SamePixels(own.image, turbo.image, window)) << "1/" << scale;
  }
  return own.own ? Seen::kOwn : Seen::kFellBack;
}

void ExpectOwn(const Encoded& jpeg, const std::string& what) {
  for (const int scale : kScales) {
    EXPECT_EQ(Compare(jpeg, scale), Seen::kOwn) << what << " 1/" << scale;
    if (::testing::Test::HasFailure()) FAIL() << what;
  }
}

struct Kind {
  int channels, h, v;
  bool progressive;
};
constexpr Kind kKinds[] = {{1, 1, 1, false}, {3, 1, 1, false}, {3, 2, 1, false}, {3, 1, 2, false},
                           {3, 2, 2, false}, {1, 1, 1, true},  {3, 1, 1, true},  {3, 2, 1, true},
                           {3, 1, 2, true},  {3, 2, 2, true}};

JpegOptions OptionsOf(const Kind& kind, int quality) {
  JpegOptions options;
  options.h_samp = kind.h;
  options.v_samp = kind.v;
  options.quality = quality;
  options.progressive = kind.progressive;
  return options;
}

std::string NameOf(const Kind& kind) {
  return std::to_string(kind.channels) + " channels, " + std::to_string(kind.h) + "x" +
         std::to_string(kind.v) + (kind.progressive ? ", progressive" : "");
}

class OwnJpeg : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!jpeg::OwnDecoder::SupportedHere()) GTEST_SKIP() << "this CPU has no AVX2: libjpeg-turbo decodes all";
  }
};

TEST_F(OwnJpeg, GivesLibjpegTurbosPixelsAtEverySamplingAndQuality) {
  for (const Kind& kind : kKinds) {
    for (const int quality : {1, 30, 50, 75, 90, 97, 100}) {
      for (const bool optimized : {false, true}) {
        JpegOptions options = OptionsOf(kind, quality);
        options.optimized = optimized;
        const test::Raster photo = MakePhoto(600, 90, kind.channels, static_cast<uint32_t>(quality));
        ExpectOwn(EncodeJpeg(photo, options), NameOf(kind) + ", quality " + std::to_string(quality));
      }
    }
  }
}

TEST_F(OwnJpeg, GivesLibjpegTurbosPixelsAtEverySize) {
  for (const Kind& kind : kKinds) {
    for (int width = 1; width <= 40; ++width) {
      for (const int height : {1, 41 - width, width * 7 % 40 + 1}) {
        ExpectOwn(EncodeJpeg(MakePhoto(width, height, kind.channels), OptionsOf(kind, 90)),
                  NameOf(kind) + ", " + std::to_string(width) + " x " + std::to_string(height));
      }
    }
  }
}

TEST_F(OwnJpeg, RestartsAnywhere) {
  for (const Kind& kind : kKinds) {
    for (const int mcus : {1, 2, 7, 30, 31, 1000}) {
      JpegOptions options = OptionsOf(kind, 85);
      options.restart_mcus = mcus;
      ExpectOwn(EncodeJpeg(MakePhoto(333, 60, kind.channels), options), NameOf(kind));
    }
    JpegOptions rows = OptionsOf(kind, 85);
    rows.restart_rows = 1;
    ExpectOwn(EncodeJpeg(MakePhoto(60, 333, kind.channels), rows), NameOf(kind));
  }
}

TEST_F(OwnJpeg, GivesThePixelsOfAnyWindow) {
  SplitMix64 random(11);
  for (const Kind& kind : kKinds) {
    const Encoded jpeg = EncodeJpeg(MakePhoto(901, 120, kind.channels), OptionsOf(kind, 85));
    for (int i = 0; i < 60; ++i) {
      const int scale = kScales[random.Next() % 4];
      const auto below = [&](int limit) {
        return static_cast<int>(random.Next() % static_cast<uint64_t>(limit));
      };
      PixelWindow window;
      window.first_row = below(120 / scale);
      window.end_row = window.first_row + 1 + below(120 / scale - window.first_row);
      window.first_column = below(900 / scale);
      window.end_column = window.first_column + 1 + below(900 / scale - window.first_column);
      EXPECT_EQ(Compare(jpeg, scale, window), Seen::kOwn) << NameOf(kind) << " 1/" << scale;
      ASSERT_FALSE(HasFailure()) << "rows " << window.first_row << " to " << window.end_row << ", columns "
                                 << window.first_column << " to " << window.end_column;
    }
  }
}

TEST_F(OwnJpeg, SeesDamageExactlyWhereLibjpegTurboDoes) {
  for (const Kind& kind : kKinds) {
    const Encoded jpeg = EncodeJpeg(MakePhoto(50, 200, kind.channels), OptionsOf(kind, 85));
    const size_t middle = jpeg.size() / 2;
    Encoded early_end = jpeg;  // no marker ends the data here but this one, in the middle
    early_end[middle] = 0xFF;
    early_end[middle + 1] = 0xD9;
    for (int rows = 1; rows <= 200; ++rows) {
      for (const int scale : {1, 2}) {
        PixelWindow window;
        window.end_row = (rows + scale - 1) / scale;
        Compare(early_end, scale, window);
        ASSERT_FALSE(HasFailure()) << NameOf(kind) << ", " << window.end_row << " rows, 1/" << scale;
      }
    }
  }
}

TEST_F(OwnJpeg, DamagedFilesGiveLibjpegTurbosAnswer) {
  SplitMix64 random(5);
  int own = 0;
  for (const Kind& kind : kKinds) {
    JpegOptions options = OptionsOf(kind, 80);
    options.restart_mcus = 5;
    for (const bool restarts : {false, true}) {
      if (!restarts) options.restart_mcus = 0;
      const Encoded jpeg = EncodeJpeg(MakePhoto(70, 40, kind.channels), options);
      for (size_t size = 0; size < jpeg.size(); size += 1 + jpeg.size() / 97) {
        EXPECT_NE(Compare(test::Cut(jpeg, size), 1 << size % 4), Seen::kOwn);
      }
      for (int i = 0; i < 400; ++i) {
        Encoded damaged = jpeg;
        for (uint64_t flips = 1 + random.Next() % 3; flips > 0; --flips) {
          damaged[random.Next() % jpeg.size()] ^= static_cast<uint8_t>(1U << random.Next() % 8);
        }
        if (Compare(damaged, 1 << i % 4) == Seen::kOwn) ++own;
        ASSERT_FALSE(HasFailure()) << NameOf(kind) << ", damage " << i;
      }
    }
  }
  EXPECT_GT(own, 100) << "most flips give a valid file of other pixels";
}

TEST_F(OwnJpeg, LeavesTheRestToLibjpegTurbo) {
  const test::Raster photo = MakePhoto(64, 64, 3);
  JpegOptions arithmetic;
  arithmetic.arithmetic = true;
  JpegOptions scans;
  scans.sequential_multi_scan = true;
  JpegOptions many;  // more scans than the limit
  many.many_scans = true;
  EXPECT_EQ(Compare(EncodeJpeg(MakePhoto(30, 20, 1), many), 2), Seen::kFellBack);
  JpegOptions wide;
  wide.h_samp = 4;
  wide.v_samp = 1;
  for (const JpegOptions& options : {arithmetic, scans, wide}) {
    EXPECT_EQ(Compare(EncodeJpeg(photo, options), 1), Seen::kFellBack);
  }
  EXPECT_EQ(Compare(EncodeJpeg(MakePhoto(64, 64, 4)), 1), Seen::kFellBack);
  const Encoded jpeg = EncodeJpeg(photo);
  const Encoded junk = {0x00, 0x11};
  EXPECT_EQ(Compare(test::Insert(jpeg, test::Find(jpeg, "\xFF\xDB"), junk), 1), Seen::kFellBack);
  Encoded rgb = jpeg;  // component ids that mean RGB where no marker says otherwise
  const size_t frame = test::Find(jpeg, "\xFF\xC0");
  for (size_t i = 0; i < 3; ++i) rgb[frame + 10 + 3 * i] = static_cast<uint8_t>("RGB"[i]);
  EXPECT_EQ(Compare(rgb, 1), Seen::kFellBack);
}

/// Every SIMD target that this CPU has, the ones that would not be chosen included.
TEST(OwnJpegTargets, AllGiveTheSamePixels) {
  for (const int64_t target : {int64_t{HWY_SSSE3}, int64_t{HWY_SSE4}, int64_t{HWY_AVX2}, int64_t{HWY_AVX3}}) {
    hwy::SetSupportedTargetsForTest(0);
    if ((hwy::SupportedTargets() & target) == 0) continue;
    hwy::SetSupportedTargetsForTest(hwy::SupportedTargets() & ~(target - 1));  // and those below
    EXPECT_EQ(jpeg::OwnDecoder::SupportedHere(), target <= HWY_AVX2);
    for (const Kind& kind : kKinds) {
      const Encoded encoded = EncodeJpeg(MakePhoto(301, 77, kind.channels), OptionsOf(kind, 92));
      const Result<ImageHeader> header = ProbeHeader(encoded);
      ASSERT_TRUE(header.ok());
      for (const int scale : kScales) {
        const Outcome turbo = Decode(encoded, *header, scale, {}, JpegChoice::kLibjpegTurbo);
        PixelRequest request;
        request.encoded = encoded;
        request.header = &header.value();
        request.scale_denominator = scale;
        CodecScratch scratch;
        RgbImage image;
        jpeg::OwnDecoder decoder;
        ASSERT_TRUE(decoder.Decode(request, &scratch, &image));
        EXPECT_TRUE(SamePixels(image, turbo.image, {})) << NameOf(kind) << " 1/" << scale;
      }
    }
  }
  hwy::SetSupportedTargetsForTest(0);
}

}  // namespace
}  // namespace photovec::decode
