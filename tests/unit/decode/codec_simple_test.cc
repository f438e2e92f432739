// SPDX-License-Identifier: MIT
// BMP, PNM, QOI, ICO, and TIFF with libtiff in this process: pixels of files that were made here.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "decode/formats/tiff/library.h"
#include "decode/sniff.h"
#include "testing/test_images_simple.h"
#include "unit/decode/decode_testing.h"

namespace photovec::decode {
namespace {

using test::Encoded;
using test::Raster;
using ::testing::HasSubstr;

void ExpectShows(const Encoded& file, const Raster& raster, const std::string& what,
                 AlphaMode alpha = AlphaMode::kDrop) {
  RgbImage image;
  const Result<ImageHeader> header = test::DecodeAll(file, &image, alpha);
  ASSERT_TRUE(header.ok()) << what << ": " << header.status().ToString();
  ASSERT_EQ(image.width(), raster.width) << what;
  ASSERT_EQ(image.height(), raster.height) << what;
  for (int y = 0; y < raster.height; ++y) {
    for (int x = 0; x < raster.width; ++x) {
      const uint8_t* at = raster.At(x, y);
      std::vector<uint8_t> want = {at[0], at[0], at[0]};
      if (raster.channels >= 3) want = {at[0], at[1], at[2]};
      const bool mixed = alpha == AlphaMode::kWhite && raster.channels % 2 == 0;
      for (uint8_t& value : want) value = mixed ? OverWhite(value, at[raster.channels - 1]) : value;
      ASSERT_EQ(test::Pixel(image, x, y), want) << what << " at " << x << ", " << y;
    }
  }
}

void ExpectRefused(const Encoded& file, Code code, const std::string& words) {
  RgbImage image;
  const Result<ImageHeader> header = test::DecodeAll(file, &image);
  EXPECT_EQ(header.status().code(), code) << header.status().ToString();
  EXPECT_THAT(header.status().message(), HasSubstr(words));
}

Encoded Text(std::string_view text) { return {text.begin(), text.end()}; }

/// Every cut is refused, and none reads beyond its end.
void ExpectCutsRefused(const Encoded& file, size_t needed) {
  for (size_t size = 12; size < needed; size += 1 + needed / 97) {
    RgbImage image;
    EXPECT_FALSE(test::DecodeAll(test::Cut(file, size), &image).ok()) << size << " of " << file.size();
  }
}

TEST(Bmp, EveryDepthAndDirection) {
  const Raster grey = test::MakePhoto(37, 21, 1);
  const Raster colour = test::MakePhoto(37, 21, 3);
  for (const bool top_down : {false, true}) {
    ExpectShows(test::EncodeBmp(grey, 8, top_down), grey, "8 bits");
    ExpectShows(test::EncodeBmp(colour, 24, top_down), colour, "24 bits");
    ExpectShows(test::EncodeBmp(colour, 32, top_down), colour, "32 bits");
  }
  ExpectCutsRefused(test::EncodeBmp(colour, 24), test::EncodeBmp(colour, 24).size() - 4);
}

TEST(Bmp, RunLengths) {
  Raster indices = test::MakePhoto(70, 9, 1);
  for (size_t i = 0; i < indices.samples.size(); i += 3) indices.samples[i] = 7;
  for (size_t i = 100; i < 200; ++i) indices.samples[i] = 200;
  Raster shown = indices;
  for (uint8_t& value : shown.samples) value = static_cast<uint8_t>(255 - value);
  const Encoded file = test::EncodeRleBmp(indices);
  ExpectShows(file, shown, "RLE8");
  ExpectRefused(test::Cut(file, file.size() / 2 + 500), Code::kImageCorrupt, "truncated");
}

TEST(Bmp, WhatIsNoBitmapOfOursIsNamed) {
  Encoded file = test::EncodeBmp(test::MakePhoto(8, 8, 3), 24);
  file[30] = 4;
  ExpectRefused(file, Code::kUnsupportedFormat, "a JPEG inside");
  file[30] = 0;
  file[28] = 23;
  ExpectRefused(file, Code::kUnsupportedFormat, "23 bits a pixel");
  file[28] = 24;
  file[21] = 0x7F;
  ExpectRefused(file, Code::kTooManyPixels, "");
}

TEST(Pnm, EveryKind) {
  const Raster grey = test::MakePhoto(19, 11, 1);
  const Raster colour = test::MakePhoto(19, 11, 3);
  Raster bits = grey;
  for (uint8_t& value : bits.samples) value = value < 128 ? 0 : 255;
  for (const int kind : {1, 4}) ExpectShows(test::EncodePnm(grey, kind), bits, "P" + std::to_string(kind));
  for (const int kind : {2, 5, 7}) ExpectShows(test::EncodePnm(grey, kind), grey, "P" + std::to_string(kind));
  for (const int kind : {3, 6, 7})
    ExpectShows(test::EncodePnm(colour, kind), colour, "P" + std::to_string(kind));
  const Raster alpha = test::MakePhoto(19, 11, 4);
  ExpectShows(test::EncodePnm(alpha, 7), alpha, "RGB_ALPHA");
  ExpectShows(test::EncodePnm(alpha, 7), alpha, "over white", AlphaMode::kWhite);
  ExpectCutsRefused(test::EncodePnm(colour, 6), test::EncodePnm(colour, 6).size());
  ExpectCutsRefused(test::EncodePnm(grey, 4), test::EncodePnm(grey, 4).size());
}

TEST(Pnm, ValuesAreScaledToTheirLargest) {
  RgbImage image;
  ASSERT_TRUE(test::DecodeAll(Text("P2 3 1 4\n0 1 4\n"), &image).ok());
  EXPECT_EQ(test::Pixel(image, 1, 0)[0], 64);  // 63.75
  EXPECT_EQ(test::Pixel(image, 2, 0)[0], 255);
  ASSERT_TRUE(test::DecodeAll(Text(std::string_view("P5 2 1 65535\n\x7F\xFF\xFF\xFF", 17)), &image).ok());
  EXPECT_EQ(test::Pixel(image, 0, 0)[0], 127);
  EXPECT_EQ(test::Pixel(image, 1, 0)[0], 255);
  ExpectRefused(Text("P2 1 1 4\n5\n"), Code::kImageCorrupt, "wrong value at row 0");
  ExpectRefused(Text("P5 1 1 65536\nxx"), Code::kUnsupportedFormat, "65536");
  ExpectRefused(Text("P5 0 1 255\nxx"), Code::kImageCorrupt, "impossible size");
  ExpectRefused(Text("P6 99999 99999 255\nxx"), Code::kTooManyPixels, "");
  ExpectRefused(Text("P6 99999999999 1 255\nxx"), Code::kImageCorrupt, "no number");
}

TEST(Qoi, EveryChunk) {
  Raster colour = test::MakePhoto(64, 33, 3);
  for (size_t i = 600; i < 1200; ++i) colour.samples[i] = 40;
  ExpectShows(test::EncodeQoi(colour), colour, "RGB");
  const Raster alpha = test::MakePhoto(64, 33, 4);
  ExpectShows(test::EncodeQoi(alpha), alpha, "RGBA");
  ExpectShows(test::EncodeQoi(alpha), alpha, "over white", AlphaMode::kWhite);
  ExpectCutsRefused(test::EncodeQoi(colour), test::EncodeQoi(colour).size() - 8);
}

TEST(Ico, TheLargestPictureBitmapOrPng) {
  const Raster alpha = test::MakePhoto(40, 30, 4);
  ExpectShows(test::EncodeIco(alpha), alpha, "bitmap");
  ExpectShows(test::EncodeIco(alpha), alpha, "bitmap over white", AlphaMode::kWhite);
  const Raster small = test::MakePhoto(16, 16, 3, 2);
  const Raster large = test::MakePhoto(48, 48, 3, 3);
  const Encoded png = test::EncodePng(48, 48, large.samples, {});
  const Encoded bmp = test::EncodeBmp(small, 24);
  const Encoded file = test::WrapIco({Encoded(bmp.begin() + 14, bmp.end()), png}, {16, 48}, 24);
  ExpectShows(file, large, "PNG");
  ExpectCutsRefused(file, file.size() - 12);
  ExpectRefused(
      test::WrapIco({png}, {48}, 24).size() > 22 ? test::Cut(test::WrapIco({png}, {48}, 24), 22) : png,
      Code::kImageCorrupt, "outside of the file");
}

class Tiff : public ::testing::Test {
 protected:
  // libtiff alone: other tests of this program are about processes without libraries.
  void SetUp() override {
    static const LibrarySupport support = LoadLibtiff();
    ASSERT_EQ(support.formats, FormatBit(Format::kTiff)) << support.detail;
  }
};

TEST_F(Tiff, EveryLayout) {
  const Raster colour = test::MakePhoto(45, 37, 3);
  for (const bool big_endian : {false, true}) {
    for (const bool big_tiff : {false, true}) {
      for (const bool planar : {false, true}) {
        for (const int tile : {0, 16}) {
          for (const bool packbits : {false, true}) {
            test::TiffOptions options;
            options.big_endian = big_endian;
            options.big_tiff = big_tiff;
            options.planar = planar;
            options.tile = tile;
            options.packbits = packbits;
            ExpectShows(test::EncodeTiff(colour, options), colour,
                        std::to_string(big_endian) + std::to_string(big_tiff) + std::to_string(planar) +
                            std::to_string(tile) + std::to_string(packbits));
          }
        }
      }
    }
  }
}

TEST_F(Tiff, AlphaGreyAndInk) {
  test::TiffOptions unassociated;
  unassociated.extra_sample = 2;
  const Raster alpha = test::MakePhoto(20, 15, 4);
  ExpectShows(test::EncodeTiff(alpha, unassociated), alpha, "RGBA");
  ExpectShows(test::EncodeTiff(alpha, unassociated), alpha, "over white", AlphaMode::kWhite);
  const Raster grey = test::MakePhoto(20, 15, 1);
  ExpectShows(test::EncodeTiff(grey), grey, "grey");
  test::TiffOptions white;
  white.photometric = 0;
  Raster inverted = grey;
  for (uint8_t& value : inverted.samples) value = static_cast<uint8_t>(255 - value);
  ExpectShows(test::EncodeTiff(grey, white), inverted, "0 is white");
  // Ink alone: what is left of white.
  test::TiffOptions ink;
  ink.photometric = 5;
  Raster cmyk{2, 1, 4, {255, 0, 0, 0, 10, 20, 30, 0}};
  ExpectShows(test::EncodeTiff(cmyk, ink), Raster{2, 1, 3, {0, 255, 255, 245, 235, 225}}, "CMYK");
}

TEST_F(Tiff, OrientationAndFirstPage) {
  test::TiffOptions options;
  options.orientation = 6;
  RgbImage image;
  const auto header = test::DecodeAll(test::EncodeTiff(test::MakePhoto(8, 6, 3), options), &image);
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(header->orientation, 6);
  EXPECT_EQ(image.width(), 8);
}

TEST_F(Tiff, HostileDirectoriesAreRefused) {
  const Raster colour = test::MakePhoto(33, 20, 3);
  const Encoded file = test::EncodeTiff(colour);
  const size_t data = colour.samples.size() + 8;
  ExpectCutsRefused(file, data);
  // The tag at `entry` of the directory, which lies behind the pixels.
  const auto with = [&](uint16_t tag, uint32_t value) {
    Encoded forged = file;
    for (size_t at = data + 2; at + 12 <= forged.size(); at += 12) {
      if (forged[at] != tag % 256 || forged[at + 1] != tag / 256) continue;
      forged[at + 2] = 4;
      for (size_t i = 0; i < 4; ++i) forged[at + 8 + i] = static_cast<uint8_t>(value >> 8 * i);
      break;
    }
    return forged;
  };
  ExpectRefused(with(256, 4'000'000'000), Code::kImageCorrupt, "impossible");
  ExpectRefused(with(256, 4'000'000), Code::kTooManyPixels, "a side");
  ExpectRefused(with(259, 34712), Code::kUnsupportedFormat, "JPEG 2000");
  ExpectRefused(with(259, 4711), Code::kUnsupportedFormat, "compression 4711");
  ExpectRefused(with(262, 8), Code::kUnsupportedFormat, "Lab");
  ExpectRefused(with(277, 900), Code::kUnsupportedFormat, "900 samples");
  ExpectRefused(with(278, 0), Code::kImageCorrupt, "strips without rows");
  Encoded far = file;
  far[7] = 0x7F;
  ExpectRefused(far, Code::kImageCorrupt, "outside of the file");
  test::TiffOptions tiled;
  tiled.tile = 16;
  Encoded huge = test::EncodeTiff(colour, tiled);
  for (size_t at = 0; at + 12 < huge.size(); ++at) {
    if (huge[at] == 322 % 256 && (huge[at + 1] == 322 / 256) && huge[at + 2] == 3)
      huge[at + 8] = huge[at + 9] = 0xFF;
    if (huge[at] == 323 % 256 && (huge[at + 1] == 323 / 256) && huge[at + 2] == 3)
      huge[at + 8] = huge[at + 9] = 0xFF;
  }
  ExpectRefused(huge, Code::kDecodeLimit, "of memory");
}

TEST(Sniff, KnowsTheSimpleFormatsByContent) {
  EXPECT_EQ(Sniff(test::EncodeTiff(test::MakePhoto(8, 8, 3))), Format::kTiff);
  EXPECT_EQ(Sniff(test::EncodeBmp(test::MakePhoto(8, 8, 3), 24)), Format::kBmp);
  EXPECT_EQ(Sniff(test::EncodePnm(test::MakePhoto(8, 8, 3), 7)), Format::kPnm);
  EXPECT_EQ(Sniff(test::EncodeQoi(test::MakePhoto(8, 8, 3))), Format::kQoi);
  EXPECT_EQ(Sniff(test::EncodeIco(test::MakePhoto(8, 8, 4))), Format::kIco);
  EXPECT_EQ(Sniff(Text("P1 is no picture")), Format::kUnknown);
  EXPECT_EQ(Sniff(Text("BMW builds cars, and this is text")), Format::kUnknown);
}

}  // namespace
}  // namespace photovec::decode
