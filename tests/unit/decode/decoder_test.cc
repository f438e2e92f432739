// SPDX-License-Identifier: MIT
#include "decode/decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "decode/pixel_decoder.h"
#include "preprocess/resize.h"
#include "unit/decode/decode_testing.h"

namespace photovec::decode {
namespace {

using test::Encoded;
using test::MakePhoto;
using ::testing::HasSubstr;

preprocess::Spec SmallSpec() {
  preprocess::Spec spec;
  spec.resize_short = 32;
  spec.crop = 32;
  return spec;
}

struct Slot {
  Result<DecodeReport> report;
  std::vector<uint8_t> pixels;
};

Slot Decode(Decoder* decoder, const Encoded& encoded, const preprocess::Spec& spec,
            const DecodeOptions& options = {}) {
  std::vector<uint8_t> pixels(spec.slot_bytes());
  DecodeJob job;
  job.encoded = encoded;
  job.spec = &spec;
  job.options = options;
  job.out = pixels;
  Result<DecodeReport> report = decoder->Decode(job);
  return {std::move(report), std::move(pixels)};
}

DecodeOptions Exact() {
  DecodeOptions options;
  options.jpeg_scaling = JpegScaling::kExact;
  return options;
}

double SlotPsnr(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b) {
  double squares = 0;
  for (size_t i = 0; i < a.size(); ++i) squares += (a[i] - b[i]) * (a[i] - b[i]);
  return 10.0 * std::log10(255.0 * 255.0 * static_cast<double>(a.size()) / (squares + 1e-9));
}

TEST(Decoder, ReportsWhatItSaw) {
  const auto decoder = MakeInProcessDecoder();
  const Encoded jpeg = test::JpegWithExif(test::EncodeJpeg(MakePhoto(300, 200, 3)), test::ExifBlock(6));
  const TimePoint before = Clock::now();
  const Slot slot = Decode(decoder.get(), jpeg, SmallSpec());
  ASSERT_TRUE(slot.report.ok()) << slot.report.status().ToString();
  EXPECT_EQ(slot.report->format, Format::kJpeg);
  EXPECT_EQ(slot.report->width, 300);
  EXPECT_EQ(slot.report->height, 200);
  EXPECT_EQ(slot.report->orientation, 6);
  EXPECT_EQ(slot.report->scale_denominator, 2);
  EXPECT_GE(slot.report->decoded_at, before);
  EXPECT_LE(slot.report->decoded_at, Clock::now());
}

TEST(Decoder, FastIsCloseToExactAndExactDecodesInFull) {
  const auto decoder = MakeInProcessDecoder();
  const preprocess::Spec spec = SmallSpec();
  for (const auto& [w, h] : {std::pair{640, 480}, {480, 640}, {300, 1000}, {70, 500}}) {
    for (int orientation = 1; orientation <= 8; ++orientation) {
      const Encoded jpeg =
          test::JpegWithExif(test::EncodeJpeg(MakePhoto(w, h, 3)), test::ExifBlock(orientation));
      const Slot fast = Decode(decoder.get(), jpeg, spec);
      const Slot exact = Decode(decoder.get(), jpeg, spec, Exact());
      ASSERT_TRUE(fast.report.ok() && exact.report.ok()) << fast.report.status().ToString();
      EXPECT_EQ(exact.report->scale_denominator, 1);
      EXPECT_GT(SlotPsnr(fast.pixels, exact.pixels), 45) << w << "x" << h << " orientation " << orientation;
    }
  }
}

void Poison(const PixelWindow& window, uint8_t value, RgbImage* image) {
  for (int y = 0; y < image->height(); ++y) {
    for (int x = 0; x < image->width(); ++x) {
      const bool inside =
          y >= window.first_row && y < window.end_row && x >= window.first_column && x < window.end_column;
      if (!inside) std::fill_n(image->Row(y) + static_cast<ptrdiff_t>(3) * x, 3, value);
    }
  }
}

/// Preprocessing must not look at what fast decoding leaves undefined.
TEST(Decoder, PixelsOutsideTheWindowDoNotMatter) {
  preprocess::Preprocessor preprocessor;
  for (const preprocess::Filter filter :
       {preprocess::Filter::kBilinear, preprocess::Filter::kBicubic, preprocess::Filter::kLanczos}) {
    for (const auto& [w, h] : {std::pair{64, 200}, {33, 47}, {200, 64}, {20, 90}, {400, 401}, {640, 480}}) {
      for (int orientation = 1; orientation <= 8; ++orientation) {
        for (const int d : {1, 2}) {
          preprocess::Spec spec = SmallSpec();
          spec.filter = filter;
          spec.resize_short = 36;
          ImageHeader header;
          header.format = Format::kJpeg;
          header.width = w;
          header.height = h;
          header.orientation = orientation;
          const PixelWindow window = CropWindow(header, d, spec);
          RgbImage image;
          image.Reset((w + d - 1) / d, (h + d - 1) / d);
          ASSERT_LE(window.end_row, image.height());
          ASSERT_LE(window.end_column, image.width());
          std::vector<uint8_t> slots[2];
          for (const uint8_t poison : {uint8_t{0}, uint8_t{255}}) {
            const test::Raster photo = MakePhoto(image.width(), image.height(), 3);
            std::copy(photo.samples.begin(), photo.samples.end(), image.data());
            Poison(window, poison, &image);
            std::vector<uint8_t>& slot = slots[poison & 1];
            slot.resize(spec.slot_bytes());
            ASSERT_TRUE(preprocessor.Run({image.view(), w, h, d, orientation}, spec, slot).ok());
          }
          EXPECT_EQ(slots[0], slots[1]) << w << "x" << h << " orientation " << orientation << " 1/" << d;
        }
      }
    }
  }
}

TEST(Decoder, OnlyWhatTheCropKeepsIsDecoded) {
  ImageHeader header;
  header.width = 1500;
  header.height = 2000;
  preprocess::Spec spec;
  const PixelWindow tall = CropWindow(header, 2, spec);
  EXPECT_GT(tall.first_row, 100);
  EXPECT_LT(tall.end_row, 900);
  EXPECT_EQ(tall.first_column, 0);
  EXPECT_EQ(tall.end_column, 750);
  header.orientation = 6;  // lies on its side: its rows are columns now
  EXPECT_LT(CropWindow(header, 2, spec).end_row, 900);
  header.width = 2000;
  header.height = 1500;
  const PixelWindow wide = CropWindow(header, 2, spec);
  EXPECT_EQ(wide.end_row, 750);
  EXPECT_GT(wide.first_column, 100);
  EXPECT_LT(wide.end_column, 900);
  EXPECT_GE(CropWindow(header, 1, preprocess::SquashVariant(spec)).end_row, 1500);
}

TEST(Decoder, SquashImpliesExactDecoding) {
  const auto decoder = MakeInProcessDecoder();
  const preprocess::Spec squash = preprocess::SquashVariant(SmallSpec());
  const Encoded jpeg = test::EncodeJpeg(MakePhoto(640, 480, 3));
  const Slot fast = Decode(decoder.get(), jpeg, squash);
  const Slot exact = Decode(decoder.get(), jpeg, squash, Exact());
  ASSERT_TRUE(fast.report.ok() && exact.report.ok());
  EXPECT_EQ(fast.report->scale_denominator, 1);
  EXPECT_EQ(fast.pixels, exact.pixels);
}

TEST(Decoder, MirroredFilesGiveTheSameSlotAsTheirExifTwin) {
  const auto decoder = MakeInProcessDecoder();
  const test::Raster photo = MakePhoto(90, 60, 3);
  test::Raster turned{60, 90, 3, {}};  // stored so that orientation 6 (turn right) shows `photo`
  for (int y = 0; y < 90; ++y) {
    for (int x = 0; x < 60; ++x)
      turned.samples.insert(turned.samples.end(), photo.At(y, 59 - x), photo.At(y, 59 - x) + 3);
  }
  // Turning `turned` left gives `photo`, so orientation 8 (needs a left turn) must restore it.
  const Encoded upright = test::EncodePng(90, 60, photo.samples, {});
  const Encoded sideways = test::PngWithExif(test::EncodePng(60, 90, turned.samples, {}), test::ExifBlock(8));
  const Slot a = Decode(decoder.get(), upright, SmallSpec());
  const Slot b = Decode(decoder.get(), sideways, SmallSpec());
  ASSERT_TRUE(a.report.ok() && b.report.ok());
  EXPECT_EQ(a.pixels, b.pixels);
}

TEST(Decoder, OneBadImageLeavesNothingBehind) {
  const auto decoder = MakeInProcessDecoder();
  const auto fresh = MakeInProcessDecoder();
  const Encoded good = test::EncodeJpeg(MakePhoto(200, 100, 3));
  const Slot expected = Decode(fresh.get(), good, SmallSpec());
  ASSERT_TRUE(expected.report.ok());
  const Encoded html = {'<', 'h', 't', 'm', 'l', '>'};
  for (const Encoded& bad : {Encoded{}, html, test::Cut(good, good.size() / 2), test::Cut(good, 3)}) {
    EXPECT_FALSE(Decode(decoder.get(), bad, SmallSpec()).report.ok());
    EXPECT_EQ(Decode(decoder.get(), good, SmallSpec()).pixels, expected.pixels);
  }
}

TEST(Decoder, TablesOfOnePhotoDoNotHelpTheNext) {
  const auto decoder = MakeInProcessDecoder();
  const Encoded good = test::EncodeJpeg(MakePhoto(64, 64, 3));
  Encoded without_tables = good;
  for (size_t at = test::Find(without_tables, "\xFF\xC4"); at < without_tables.size();
       at = test::Find(without_tables, "\xFF\xC4")) {
    const size_t length = static_cast<size_t>(without_tables[at + 2]) * 256 + without_tables[at + 3] + 2;
    without_tables.erase(without_tables.begin() + static_cast<ptrdiff_t>(at),
                         without_tables.begin() + static_cast<ptrdiff_t>(at + length));
  }
  const Status alone = Decode(MakeInProcessDecoder().get(), without_tables, SmallSpec()).report.status();
  ASSERT_TRUE(Decode(decoder.get(), good, SmallSpec()).report.ok());
  const Status after = Decode(decoder.get(), without_tables, SmallSpec()).report.status();
  EXPECT_EQ(alone.ToString(), after.ToString());
}

TEST(Decoder, ErrorsHaveTheirCodes) {
  const auto decoder = MakeInProcessDecoder();
  const Encoded html = {'<', 'h', 't', 'm', 'l', '>'};
  EXPECT_EQ(Decode(decoder.get(), {}, SmallSpec()).report.status().code(), Code::kUnsupportedFormat);
  const Status page = Decode(decoder.get(), html, SmallSpec()).report.status();
  EXPECT_EQ(page.code(), Code::kUnsupportedFormat);
  EXPECT_THAT(page.message(), HasSubstr("HTML"));
  DecodeOptions options;
  options.limits.max_file_bytes = 100;
  const Encoded jpeg = test::EncodeJpeg(MakePhoto(64, 64, 3));
  EXPECT_EQ(Decode(decoder.get(), jpeg, SmallSpec(), options).report.status().code(), Code::kBodyTooLarge);
  DecodeJob no_slot;
  no_slot.encoded = jpeg;
  const preprocess::Spec spec = SmallSpec();
  no_slot.spec = &spec;
  EXPECT_EQ(decoder->Decode(no_slot).status().code(), Code::kInternal);
}

}  // namespace
}  // namespace photovec::decode
