// SPDX-License-Identifier: MIT
// Cameras' raw files: the right JPEG of several, turned once, read as that JPEG is.
#include "decode/formats/raw/preview.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "decode/formats/raw/signature.h"
#include "decode/sniff.h"
#include "preprocess/spec.h"
#include "testing/raw_builder.h"
#include "unit/decode/decode_testing.h"

namespace photovec::decode {
namespace {

using test::Encoded;
using test::RawOptions;
using test::RawPlace;
using ::testing::HasSubstr;

const Encoded& BigPreview() {
  static const Encoded preview = test::EncodeJpeg(test::MakePhoto(480, 320, 3));
  return preview;
}
const Encoded& SmallPreview() {
  static const Encoded thumbnail = test::EncodeJpeg(test::MakePhoto(160, 120, 3, 9));
  return thumbnail;
}

void ExpectRawShows(const Encoded& file, const Encoded& preview, int orientation, const std::string& what) {
  EXPECT_EQ(Sniff(file), Format::kRaw) << what;
  RgbImage got;
  RgbImage wanted;
  const Result<ImageHeader> header = test::DecodeAll(file, &got);
  ASSERT_TRUE(header.ok()) << what << ": " << header.status().ToString();
  ASSERT_TRUE(test::DecodeAll(preview, &wanted).ok());
  EXPECT_EQ(header->format, Format::kRaw) << what;
  EXPECT_EQ(header->orientation, orientation) << what;
  ASSERT_EQ(got.width(), wanted.width()) << what;
  ASSERT_EQ(got.height(), wanted.height()) << what;
  EXPECT_EQ(std::memcmp(got.data(), wanted.data(), got.stride() * static_cast<size_t>(got.height())), 0)
      << what;
}

struct RawKind {
  const char* name;
  RawOptions options;
};

std::vector<RawKind> RawKinds() {
  std::vector<RawKind> kinds;
  RawOptions options;
  options.orientation = 6;
  options.thumbnail = SmallPreview();
  options.place = RawPlace::kSubIfd;
  kinds.push_back({"NEF", options});
  options.little_endian = false;
  kinds.push_back({"NEF of the other byte order", options});
  options.place = RawPlace::kSubIfdStrip;
  options.dng = true;
  kinds.push_back({"DNG", options});
  options.place = RawPlace::kStrip;
  kinds.push_back({"ProRAW", options});
  options.sensor_photometric = 34892;
  kinds.push_back({"linear DNG", options});
  options = {};
  options.orientation = 6;
  options.place = RawPlace::kStrip;
  options.cr2 = true;
  kinds.push_back({"CR2", options});
  options.cr2 = false;
  options.place = RawPlace::kFirst;
  kinds.push_back({"ARW", options});
  options.place = RawPlace::kChained;
  kinds.push_back({"PEF", options});
  options.place = RawPlace::kJpgFromRaw;
  options.magic = 0x55;
  kinds.push_back({"RW2", options});
  options.place = RawPlace::kUnnamed;
  options.magic = 0x4F52;
  options.thumbnail = SmallPreview();
  kinds.push_back({"ORF", options});
  options.magic = 0x5352;
  kinds.push_back({"ORF of another number", options});
  options.magic = 0x4F52;
  options.little_endian = false;
  kinds.push_back({"ORF of the other byte order", options});
  return kinds;
}

TEST(Raw, TheLargestPreviewOfEveryKindTurnedAsTheFileSays) {
  for (const RawKind& kind : RawKinds())
    ExpectRawShows(test::MakeRaw(BigPreview(), kind.options), BigPreview(), 6, kind.name);
  ExpectRawShows(test::MakeCr3(BigPreview(), 6, SmallPreview()), BigPreview(), 6, "CR3");
  const Encoded own = test::JpegWithExif(BigPreview(), test::ExifBlock(8));
  ExpectRawShows(test::MakeRaf(own), own, 8, "RAF");
}

TEST(Raw, ItsOwnOrientationCountsBeforeTheFiles) {
  for (const int own : {1, 3, 8}) {
    const Encoded preview = test::JpegWithExif(BigPreview(), test::ExifBlock(own));
    for (const RawKind& kind : RawKinds())
      ExpectRawShows(test::MakeRaw(preview, kind.options), preview, own, kind.name);
    ExpectRawShows(test::MakeCr3(preview, 6, SmallPreview()), preview, own, "CR3");
  }
}

TEST(Raw, WhatTheCameraHasTurnedIsNotTurnedAgain) {
  const Encoded upright = test::EncodeJpeg(test::MakePhoto(320, 480, 3));
  RawOptions options;
  for (const int orientation : {5, 6, 7, 8}) {
    options.orientation = orientation;
    ExpectRawShows(test::MakeRaw(upright, options), upright, 1, "turned already");
    ExpectRawShows(test::MakeRaw(BigPreview(), options), BigPreview(), orientation, "not turned yet");
  }
  options.orientation = 3;  // upside down has the same shape
  ExpectRawShows(test::MakeRaw(upright, options), upright, 3, "upside down");
  options.orientation = 0;
  ExpectRawShows(test::MakeRaw(BigPreview(), options), BigPreview(), 1, "says nothing");
}

TEST(Raw, TheSensorsOwnJpegIsNoPreview) {
  // A lossy DNG holds its linear numbers as larger JPEGs.
  RawOptions options;
  options.dng = true;
  options.place = RawPlace::kSubIfdStrip;
  options.sensor_photometric = 34892;
  options.sensor = test::EncodeJpeg(test::MakePhoto(960, 640, 3, 5));
  ExpectRawShows(test::MakeRaw(BigPreview(), options), BigPreview(), 1, "lossy DNG");
  options.place = RawPlace::kUnnamed;
  const Result<RawPreview> none = FindRawPreview(test::MakeRaw(BigPreview(), options));
  EXPECT_EQ(none.status().code(), Code::kUnsupportedFormat);
  EXPECT_THAT(none.status().message(), HasSubstr("no JPEG preview"));
}

TEST(Raw, AThumbnailIsRefusedWithItsSize) {
  RawOptions options;
  options.thumbnail = test::EncodeJpeg(test::MakePhoto(340, 255, 3));
  options.place = RawPlace::kFirst;
  Result<RawPreview> small = FindRawPreview(test::MakeRaw(SmallPreview(), options));
  EXPECT_EQ(small.status().code(), Code::kUnsupportedFormat);
  EXPECT_THAT(small.status().message(), HasSubstr("only a thumbnail of 340 x 255 pixels"));
  options.thumbnail.clear();
  const Encoded enough = test::EncodeJpeg(test::MakePhoto(256, 256, 3));
  ExpectRawShows(test::MakeRaw(enough, options), enough, 1, "just enough");
}

TEST(Raw, APreviewThatIsNotThereIsSaidToBe) {
  RawOptions options;
  options.dng = true;
  options.place = RawPlace::kSubIfdStrip;
  const Encoded file = test::MakeRaw(BigPreview(), options);
  const Status gone = FindRawPreview(test::Cut(file, file.size() - BigPreview().size())).status();
  EXPECT_EQ(gone.code(), Code::kImageCorrupt);
  EXPECT_THAT(gone.message(), HasSubstr("truncated"));
  RgbImage image;
  const Status cut = test::DecodeAll(test::Cut(file, file.size() - 2000), &image).status();
  EXPECT_EQ(cut.code(), Code::kImageCorrupt);
  EXPECT_THAT(cut.message(), HasSubstr("the JPEG is truncated"));
}

TEST(Raw, LimitsAreThoseOfTheJpeg) {
  const Encoded file = test::MakeRaw(BigPreview(), {});
  RgbImage image;
  Limits limits;
  limits.max_pixels = 480 * 320 - 1;
  EXPECT_EQ(test::DecodeAll(file, &image, AlphaMode::kDrop, 1, limits).status().code(), Code::kTooManyPixels);
  test::JpegOptions scans;
  scans.progressive = true;
  scans.many_scans = true;
  const Encoded many = test::MakeRaw(test::EncodeJpeg(test::MakePhoto(480, 320, 1), scans), {});
  EXPECT_EQ(test::DecodeAll(many, &image).status().code(), Code::kDecodeLimit);
}

TEST(Raw, FastScalesAsForTheJpeg) {
  const Encoded large = test::EncodeJpeg(test::MakePhoto(1200, 900, 3));
  const auto decoder = MakeInProcessDecoder();
  preprocess::Spec spec;
  std::vector<uint8_t> slots[2];
  int denominators[2] = {};
  const Encoded files[2] = {large, test::MakeRaw(large, {})};
  for (int i = 0; i < 2; ++i) {
    slots[i].resize(spec.slot_bytes());
    DecodeJob job;
    job.encoded = files[i];
    job.spec = &spec;
    job.out = slots[i];
    const Result<DecodeReport> report = decoder->Decode(job);
    ASSERT_TRUE(report.ok()) << report.status().ToString();
    denominators[i] = report->scale_denominator;
  }
  EXPECT_EQ(denominators[0], 2);
  EXPECT_EQ(denominators[1], 2);
  EXPECT_EQ(slots[0], slots[1]);
}

TEST(Raw, APlainTiffIsNone) {
  RawOptions options;
  options.sensor_photometric = 2;
  EXPECT_FALSE(IsCameraRaw(test::MakeRaw(BigPreview(), options)));
  EXPECT_FALSE(IsCameraRaw(test::ExifBlock(6)));
  EXPECT_TRUE(IsCameraRaw(test::MakeRaw(BigPreview(), {})));
  // Directories in a ring, and one that is cut.
  Encoded ring = test::ExifBlock(6);
  ring.resize(26);
  ring[22] = 8;
  EXPECT_FALSE(IsCameraRaw(ring));
  for (size_t size = 0; size < ring.size(); ++size) EXPECT_FALSE(IsCameraRaw(test::Cut(ring, size)));
}

}  // namespace
}  // namespace photovec::decode
