// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "unit/decode/decode_testing.h"

namespace photovec::decode {
namespace {

using test::DecodeAll;
using test::EncodeJpeg;
using test::MakePhoto;
using ::testing::AllOf;
using ::testing::HasSubstr;

test::JpegOptions Options(int h, int v, bool progressive) {
  test::JpegOptions options;
  options.quality = 92;
  options.h_samp = h;
  options.v_samp = v;
  options.progressive = progressive;
  return options;
}

bool SamePixels(const RgbImage& a, const RgbImage& b, int rows) {
  return a.width() == b.width() && a.height() == b.height() &&
         std::memcmp(a.view().data, b.view().data, a.stride() * static_cast<size_t>(rows)) == 0;
}

TEST(CodecJpeg, DecodesAllSamplingsAsLibjpegAlone) {
  const test::Raster photo = MakePhoto(101, 67, 3);
  for (const bool progressive : {false, true}) {
    for (const auto& [h, v] : {std::pair{1, 1}, {2, 1}, {1, 2}, {2, 2}, {4, 1}}) {
      const test::Encoded jpeg = EncodeJpeg(photo, Options(h, v, progressive));
      RgbImage image;
      RgbImage plain;
      const auto header = DecodeAll(jpeg, &image);
      ASSERT_TRUE(header.ok()) << header.status().ToString();
      EXPECT_EQ(header->width, 101);
      EXPECT_EQ(header->height, 67);
      EXPECT_EQ(header->jpeg.progressive, progressive);
      EXPECT_EQ(header->jpeg.multi_scan, progressive);
      ASSERT_TRUE(DecodeJpegPlain(jpeg, &plain).ok());
      EXPECT_TRUE(SamePixels(image, plain, 67)) << h << "x" << v;
      EXPECT_GT(test::Psnr(image, photo), 28) << h << "x" << v;
    }
  }
}

TEST(CodecJpeg, GreyBecomesRgb) {
  const test::Raster photo = MakePhoto(33, 20, 1);
  RgbImage image;
  ASSERT_TRUE(DecodeAll(EncodeJpeg(photo), &image).ok());
  EXPECT_GT(test::Psnr(image, photo), 28);
  const auto pixel = test::Pixel(image, 5, 7);
  EXPECT_TRUE(pixel[0] == pixel[1] && pixel[1] == pixel[2]);
}

TEST(CodecJpeg, CmykIsReadAsAdobeWritesIt) {
  for (const bool ycck : {false, true}) {
    test::Raster inks{16, 16, 4, {}};
    for (int i = 0; i < 256; ++i) inks.samples.insert(inks.samples.end(), {255, 128, 0, 200});  // inverted
    test::JpegOptions options = Options(1, 1, false);
    options.quality = 100;
    options.ycck = ycck;
    RgbImage image;
    const auto header = DecodeAll(EncodeJpeg(inks, options), &image);
    ASSERT_TRUE(header.ok()) << header.status().ToString();
    // C 0, M 127, Y 255, K 55: 200 * (1 - ink / 255).
    const auto pixel = test::Pixel(image, 8, 8);
    EXPECT_NEAR(pixel[0], 200, 2);
    EXPECT_NEAR(pixel[1], 100, 2);
    EXPECT_NEAR(pixel[2], 0, 2);
  }
}

TEST(CodecJpeg, ScalesByTheDenominatorRoundedUp) {
  const test::Encoded jpeg = EncodeJpeg(MakePhoto(101, 67, 3));
  for (const int d : {1, 2, 4, 8}) {
    RgbImage image;
    ASSERT_TRUE(DecodeAll(jpeg, &image, AlphaMode::kDrop, d).ok());
    EXPECT_EQ(image.width(), (101 + d - 1) / d);
    EXPECT_EQ(image.height(), (67 + d - 1) / d);
  }
}

TEST(CodecJpeg, OneByOneAndThinImagesDecode) {
  for (const auto& [w, h] : {std::pair{1, 1}, {1, 300}, {300, 1}, {8, 8}, {17, 1}}) {
    RgbImage image;
    const auto header = DecodeAll(EncodeJpeg(MakePhoto(w, h, 3)), &image);
    EXPECT_TRUE(header.ok()) << w << "x" << h << ": " << header.status().ToString();
  }
}

TEST(CodecJpeg, SequentialMultiScanAndArithmeticAndRestartsDecode) {
  const test::Raster photo = MakePhoto(64, 64, 3);
  test::JpegOptions scans;
  scans.sequential_multi_scan = true;
  test::JpegOptions arithmetic;
  arithmetic.arithmetic = true;
  test::JpegOptions restarts;
  restarts.restart_rows = 1;
  for (const auto& options : {scans, arithmetic, restarts}) {
    RgbImage image;
    const auto header = DecodeAll(EncodeJpeg(photo, options), &image);
    ASSERT_TRUE(header.ok()) << header.status().ToString();
    EXPECT_GT(test::Psnr(image, photo), 25);
    EXPECT_EQ(header->jpeg.scans, options.sequential_multi_scan ? 3 : 1);
  }
}

/// Stops after `rows`; the first `rows` rows must be those of the whole decode.
Status DecodeTop(const test::Encoded& jpeg, int rows, RgbImage* image) {
  Result<ImageHeader> header = ProbeHeader(jpeg);
  if (!header.ok()) return header.status();
  PixelRequest request;
  request.encoded = jpeg;
  request.header = &header.value();
  request.window.end_row = rows;
  CodecScratch scratch;
  return DecodePixels(request, &scratch, image);
}

TEST(CodecJpeg, SeesTruncationBelowTheNeededRows) {
  for (const bool progressive : {false, true}) {
    const test::Encoded jpeg = EncodeJpeg(MakePhoto(80, 200, 3), Options(2, 2, progressive));
    RgbImage whole;
    RgbImage top;
    ASSERT_TRUE(DecodeAll(jpeg, &whole).ok());
    for (int rows = 1; rows <= 200; ++rows) {
      const Status status = DecodeTop(jpeg, rows, &top);
      ASSERT_TRUE(status.ok()) << rows << " rows: " << status.ToString();
      ASSERT_TRUE(SamePixels(whole, top, rows)) << rows;
      ASSERT_TRUE(DecodeTop(test::Cut(jpeg, jpeg.size() - 2), rows, &top).ok()) << "no end marker";
      ASSERT_TRUE(SamePixels(whole, top, rows)) << rows;
      const Status cut = DecodeTop(test::Cut(jpeg, jpeg.size() - 20), rows, &top);
      ASSERT_EQ(cut.code(), Code::kImageCorrupt) << rows;
      EXPECT_THAT(cut.message(), HasSubstr("truncated"));
    }
  }
}

TEST(CodecJpeg, TheWindowHasThePixelsOfAWholeDecode) {
  const test::Raster photos[] = {MakePhoto(301, 70, 1), MakePhoto(301, 70, 3), MakePhoto(301, 70, 4)};
  for (const test::Raster& photo : photos) {
    for (const auto& [h, v] : {std::pair{1, 1}, {2, 1}, {1, 2}, {2, 2}}) {
      for (const int d : {1, 2, 4, 8}) {
        const test::Encoded jpeg = EncodeJpeg(photo, Options(h, v, d == 2));
        RgbImage whole;
        RgbImage part;
        Result<ImageHeader> header = DecodeAll(jpeg, &whole, AlphaMode::kDrop, d);
        ASSERT_TRUE(header.ok());
        PixelRequest request;
        request.encoded = jpeg;
        request.header = &header.value();
        request.scale_denominator = d;
        request.window = {31 / d, 50 / d, 101 / d, 220 / d};
        CodecScratch scratch;
        ASSERT_TRUE(DecodePixels(request, &scratch, &part).ok());
        ASSERT_EQ(part.width(), whole.width());
        for (int y = request.window.first_row; y < request.window.end_row; ++y) {
          const size_t first = static_cast<size_t>(request.window.first_column) * 3;
          const size_t end = static_cast<size_t>(request.window.end_column) * 3;
          ASSERT_EQ(std::memcmp(whole.Row(y) + first, part.Row(y) + first, end - first), 0)
              << photo.channels << " channels, " << h << "x" << v << ", 1/" << d << ", row " << y;
        }
      }
    }
  }
}

TEST(CodecJpeg, TruncationSaysAtWhichRow) {
  const test::Encoded jpeg = EncodeJpeg(MakePhoto(128, 256, 3));
  RgbImage image;
  const Status status = DecodeAll(test::Cut(jpeg, jpeg.size() / 2), &image).status();
  EXPECT_EQ(status.code(), Code::kImageCorrupt);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("truncated"), HasSubstr(" of 256")));
}

TEST(CodecJpeg, CorruptEntropyDataIsAnErrorNotGrey) {
  const test::Encoded jpeg = EncodeJpeg(MakePhoto(128, 256, 3));
  test::Encoded early_end = jpeg;  // an end marker in the middle: libjpeg alone would fill the rest with grey
  early_end[jpeg.size() / 2] = 0xFF;
  early_end[jpeg.size() / 2 + 1] = 0xD9;
  RgbImage image;
  const Status status = DecodeAll(early_end, &image).status();
  EXPECT_EQ(status.code(), Code::kImageCorrupt);
  EXPECT_THAT(status.message(), HasSubstr("at row 1"));
  EXPECT_TRUE(DecodeJpegPlain(early_end, &image).ok()) << "the test file should fool plain libjpeg";
}

TEST(CodecJpeg, HarmlessOdditiesPass) {
  const test::Encoded jpeg = EncodeJpeg(MakePhoto(40, 40, 3));
  RgbImage image;
  const test::Encoded junk = {0x00, 0x11, 0x22};
  EXPECT_TRUE(DecodeAll(test::Insert(jpeg, jpeg.size() - 2, junk), &image).ok())
      << "bytes before the end marker";
  EXPECT_TRUE(DecodeAll(test::Insert(jpeg, jpeg.size(), junk), &image).ok()) << "bytes after the end";
  const size_t tables = test::Find(jpeg, "\xFF\xDB");
  EXPECT_TRUE(DecodeAll(test::Insert(jpeg, tables, junk), &image).ok()) << "bytes before a header segment";
  const test::Encoded comment = {0xFF, 0xFE, 0x00, 0x04, 'h', 'i'};
  EXPECT_TRUE(DecodeAll(test::Insert(jpeg, 2, comment), &image).ok());
}

TEST(CodecJpeg, RefusesWhatNobodyDecodesHere) {
  const test::Encoded jpeg = EncodeJpeg(MakePhoto(40, 40, 3));
  const size_t frame = test::Find(jpeg, "\xFF\xC0");
  RgbImage image;
  test::Encoded lossless = jpeg;
  lossless[frame + 1] = 0xC3;
  EXPECT_EQ(DecodeAll(lossless, &image).status().code(), Code::kUnsupportedFormat);
  EXPECT_NE(DecodeAll(lossless, &image).status().message().find("(by libjpeg-turbo "), std::string::npos);
  test::Encoded twelve_bit = jpeg;
  twelve_bit[frame + 4] = 12;
  EXPECT_EQ(DecodeAll(twelve_bit, &image).status().code(), Code::kUnsupportedFormat);
  test::Encoded two_components = jpeg;
  two_components[frame + 9] = 2;
  EXPECT_EQ(DecodeAll(two_components, &image).status().code(), Code::kUnsupportedFormat);
  test::Encoded no_rows = jpeg;
  no_rows[frame + 5] = no_rows[frame + 6] = 0;
  EXPECT_EQ(DecodeAll(no_rows, &image).status().code(), Code::kImageCorrupt);
}

TEST(CodecJpeg, ReadsExifFromItsHeader) {
  const test::Encoded jpeg = EncodeJpeg(MakePhoto(40, 30, 3));
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const auto header =
        ProbeHeader(test::JpegWithExif(jpeg, test::ExifBlock(orientation, orientation % 2 == 0)));
    ASSERT_TRUE(header.ok());
    EXPECT_EQ(header->orientation, orientation);
    EXPECT_EQ(header->width, 40) << "stored size";
  }
  RgbImage image;
  const test::Encoded junk(40, 0xAB);
  const auto header = DecodeAll(test::JpegWithExif(jpeg, junk), &image);
  ASSERT_TRUE(header.ok()) << "a corrupt EXIF costs no photo";
  EXPECT_EQ(header->orientation, 1);
}

}  // namespace
}  // namespace photovec::decode
