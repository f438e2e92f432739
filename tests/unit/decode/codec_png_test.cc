// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "unit/decode/decode_testing.h"

namespace photovec::decode {
namespace {

using test::DecodeAll;
using test::EncodePng;
using test::Pixel;
using test::PngOptions;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

PngOptions Kind(int bit_depth, int color_type, bool interlaced = false) {
  PngOptions options;
  options.bit_depth = bit_depth;
  options.color_type = color_type;
  options.interlaced = interlaced;
  return options;
}

std::vector<uint8_t> Wide(std::initializer_list<uint16_t> samples) {
  std::vector<uint8_t> bytes(samples.size() * 2);
  std::memcpy(bytes.data(), samples.begin(), bytes.size());
  return bytes;
}

test::Encoded RgbPng(int width, int height) {
  return EncodePng(width, height, test::MakePhoto(width, height, 3).samples, Kind(8, 2));
}

TEST(CodecPng, RgbAndGreyAreExact) {
  const test::Raster photo = test::MakePhoto(37, 23, 3);
  const test::Raster grey = test::MakePhoto(37, 23, 1);
  RgbImage image;
  ASSERT_TRUE(DecodeAll(EncodePng(37, 23, photo.samples, Kind(8, 2)), &image).ok());
  EXPECT_GT(test::Psnr(image, photo), 100);
  ASSERT_TRUE(DecodeAll(EncodePng(37, 23, grey.samples, Kind(8, 0)), &image).ok());
  EXPECT_GT(test::Psnr(image, grey), 100);
}

TEST(CodecPng, GreyOfFewBitsIsSpreadOverTheRange) {
  const std::vector<uint8_t> one = {0b10100000};
  const std::vector<uint8_t> two = {0b00011011};
  const std::vector<uint8_t> four = {0x0F, 0x70};
  RgbImage image;
  ASSERT_TRUE(DecodeAll(EncodePng(3, 1, one, Kind(1, 0)), &image).ok());
  EXPECT_THAT(std::vector({Pixel(image, 0, 0)[0], Pixel(image, 1, 0)[0], Pixel(image, 2, 0)[0]}),
              ElementsAre(255, 0, 255));
  ASSERT_TRUE(DecodeAll(EncodePng(4, 1, two, Kind(2, 0)), &image).ok());
  EXPECT_EQ(Pixel(image, 1, 0)[0], 85);
  EXPECT_EQ(Pixel(image, 3, 0)[2], 255);
  ASSERT_TRUE(DecodeAll(EncodePng(3, 1, four, Kind(4, 0)), &image).ok());
  EXPECT_EQ(Pixel(image, 1, 0)[1], 255);
  EXPECT_EQ(Pixel(image, 2, 0)[1], 7 * 17);
}

TEST(CodecPng, SixteenBitsAreScaledNotSaturated) {
  RgbImage image;
  ASSERT_TRUE(DecodeAll(EncodePng(4, 1, Wide({0, 128, 32768, 65535}), Kind(16, 0)), &image).ok());
  EXPECT_EQ(Pixel(image, 0, 0)[0], 0);
  EXPECT_EQ(Pixel(image, 1, 0)[0], 0);
  EXPECT_EQ(Pixel(image, 2, 0)[0], 128);
  EXPECT_EQ(Pixel(image, 3, 0)[0], 255);
  ASSERT_TRUE(DecodeAll(EncodePng(1, 1, Wide({257 * 9, 257 * 9 + 129, 65280}), Kind(16, 2)), &image).ok());
  EXPECT_THAT(Pixel(image, 0, 0), ElementsAre(9, 10, 254));
  ASSERT_TRUE(DecodeAll(EncodePng(1, 1, Wide({257 * 200, 0}), Kind(16, 4)), &image).ok());
  EXPECT_THAT(Pixel(image, 0, 0), ElementsAre(200, 200, 200));
}

TEST(CodecPng, PalettesOfAllDepths) {
  for (const int depth : {1, 2, 4, 8}) {
    PngOptions options = Kind(depth, 3);
    options.palette = {1, 2, 3, 250, 100, 50};
    const std::vector<uint8_t> row = {static_cast<uint8_t>(1 << (8 - depth))};  // first index 1
    RgbImage image;
    ASSERT_TRUE(DecodeAll(EncodePng(1, 1, row, options), &image).ok()) << depth;
    EXPECT_THAT(Pixel(image, 0, 0), ElementsAre(250, 100, 50)) << depth;
  }
}

TEST(CodecPng, AlphaIsDroppedOrComposedOverWhite) {
  const std::vector<uint8_t> rgba = {10, 20, 30, 0, 10, 20, 30, 128};
  const std::vector<uint8_t> grey_alpha = {100, 51};
  RgbImage image;
  const test::Encoded color = EncodePng(2, 1, rgba, Kind(8, 6));
  ASSERT_TRUE(DecodeAll(color, &image).ok());
  EXPECT_THAT(Pixel(image, 0, 0), ElementsAre(10, 20, 30)) << "the colour under transparent pixels is kept";
  ASSERT_TRUE(DecodeAll(color, &image, AlphaMode::kWhite).ok());
  EXPECT_THAT(Pixel(image, 0, 0), ElementsAre(255, 255, 255));
  EXPECT_THAT(Pixel(image, 1, 0), ElementsAre(132, 137, 142));
  const test::Encoded grey = EncodePng(1, 1, grey_alpha, Kind(8, 4));
  ASSERT_TRUE(DecodeAll(grey, &image, AlphaMode::kWhite).ok());
  EXPECT_THAT(Pixel(image, 0, 0), ElementsAre(224, 224, 224));
}

TEST(CodecPng, TransparentColoursAreDroppedOrComposedOverWhite) {
  PngOptions palette = Kind(8, 3);
  palette.palette = {1, 2, 3, 250, 100, 50};
  palette.palette_alpha = {0, 255};
  PngOptions key = Kind(8, 2);
  key.key = {7, 8, 9};
  PngOptions grey_key = Kind(4, 0);
  grey_key.key = {3};
  PngOptions wide_key = Kind(16, 0);
  wide_key.key = {500};
  struct Case {
    test::Encoded png;
    std::vector<uint8_t> dropped;
  };
  const std::vector<uint8_t> index = {0, 1};
  const std::vector<uint8_t> rgb = {7, 8, 9, 1, 1, 1};
  const std::vector<uint8_t> nibbles = {0x31};
  const Case cases[] = {{EncodePng(2, 1, index, palette), {1, 2, 3}},
                        {EncodePng(2, 1, rgb, key), {7, 8, 9}},
                        {EncodePng(2, 1, nibbles, grey_key), {51, 51, 51}},
                        {EncodePng(2, 1, Wide({500, 501}), wide_key), {2, 2, 2}}};
  for (const Case& one : cases) {
    RgbImage image;
    ASSERT_TRUE(DecodeAll(one.png, &image).ok());
    EXPECT_EQ(Pixel(image, 0, 0), one.dropped);
    const auto opaque = Pixel(image, 1, 0);
    ASSERT_TRUE(DecodeAll(one.png, &image, AlphaMode::kWhite).ok());
    EXPECT_THAT(Pixel(image, 0, 0), ElementsAre(255, 255, 255));
    EXPECT_EQ(Pixel(image, 1, 0), opaque);
  }
}

TEST(CodecPng, InterlacedEqualsSequential) {
  struct Shape {
    int depth;
    int color_type;
    int samples;
  };
  for (const Shape& shape :
       {Shape{1, 0, 1}, {2, 0, 1}, {4, 0, 1}, {8, 0, 1}, {16, 0, 1}, {8, 2, 3}, {16, 6, 4}, {2, 3, 1}}) {
    const int width = 29;
    const int height = 19;
    const size_t row_bytes = static_cast<size_t>((width * shape.samples * shape.depth + 7) / 8);
    std::vector<uint8_t> rows = test::MakePhoto(static_cast<int>(row_bytes), height, 1).samples;
    PngOptions options = Kind(shape.depth, shape.color_type);
    if (shape.color_type == 3) options.palette = {1, 2, 3, 40, 50, 60, 70, 80, 90, 100, 110, 120};
    RgbImage sequential;
    RgbImage interlaced;
    ASSERT_TRUE(DecodeAll(EncodePng(width, height, rows, options), &sequential).ok());
    options.interlaced = true;
    const test::Encoded png = EncodePng(width, height, rows, options);
    for (int twice = 0; twice < 2; ++twice) {
      ASSERT_TRUE(DecodeAll(png, &interlaced).ok());
      EXPECT_EQ(std::memcmp(sequential.data(), interlaced.data(), sequential.stride() * height), 0)
          << shape.depth << " bits, type " << shape.color_type;
    }
  }
}

TEST(CodecPng, ChecksumsAreChecked) {
  const test::Encoded png = RgbPng(40, 40);
  RgbImage image;
  for (const size_t at : {size_t{30}, png.size() / 2, png.size() - 13}) {
    test::Encoded bad = png;
    bad[at] ^= 0x10;  // in the CRC of IHDR, in IDAT, in the CRC of IDAT
    EXPECT_EQ(DecodeAll(bad, &image).status().code(), Code::kImageCorrupt) << at;
  }
}

TEST(CodecPng, AncillaryChunksNeverReachTheDecoder) {
  const test::Encoded png = RgbPng(16, 16);
  const size_t after_header = 33;
  test::Encoded text;
  const std::string_view entry("key\0\0not zlib at all", 20);
  for (int i = 0; i < 100'000; ++i) {
    const test::Encoded chunk =
        test::PngChunk("zTXt", {reinterpret_cast<const uint8_t*>(entry.data()), entry.size()});
    text.insert(text.end(), chunk.begin(), chunk.end());
  }
  const test::Encoded profile = test::PngChunk("iCCP", test::Encoded(500'000, 0x78));
  RgbImage image;
  for (const test::Encoded& chunks : {text, profile}) {
    const auto header = DecodeAll(test::Insert(png, after_header, chunks), &image);
    EXPECT_TRUE(header.ok()) << header.status().ToString();
  }
  test::Encoded critical = test::PngChunk("ABCD", test::Encoded(3, 1));
  EXPECT_EQ(DecodeAll(test::Insert(png, after_header, critical), &image).status().code(),
            Code::kImageCorrupt);
}

TEST(CodecPng, AMissingPaletteIsNamed) {
  PngOptions options = Kind(8, 3);
  options.palette = {1, 2, 3};
  const std::vector<uint8_t> row = {0};
  test::Encoded png = EncodePng(1, 1, row, options);
  const size_t palette = test::Find(png, "PLTE") - 4;
  png.erase(png.begin() + static_cast<ptrdiff_t>(palette),
            png.begin() + static_cast<ptrdiff_t>(palette) + 15);
  RgbImage image;
  const Status status = DecodeAll(png, &image).status();
  EXPECT_EQ(status.code(), Code::kImageCorrupt);
  EXPECT_THAT(status.message(), HasSubstr("PLTE"));
}

TEST(CodecPng, IndicesBeyondThePaletteAreBlack) {
  for (const int depth : {2, 8}) {
    PngOptions options = Kind(depth, 3);
    options.palette = {10, 20, 30, 40, 50, 60};
    const std::vector<uint8_t> row = depth == 8 ? std::vector<uint8_t>{1, 2, 3} : std::vector<uint8_t>{0x6C};
    RgbImage image;
    ASSERT_TRUE(DecodeAll(EncodePng(3, 1, row, options), &image).ok());
    EXPECT_EQ(test::Pixel(image, 0, 0), (std::vector<uint8_t>{40, 50, 60}));
    EXPECT_EQ(test::Pixel(image, 1, 0), (std::vector<uint8_t>{0, 0, 0}));
    EXPECT_EQ(test::Pixel(image, 2, 0), (std::vector<uint8_t>{0, 0, 0}));
  }
}

TEST(CodecPng, ReadsExifBehindThePixels) {
  const auto header = ProbeHeader(test::PngWithExif(RgbPng(20, 10), test::ExifBlock(6)));
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(header->orientation, 6);
}

}  // namespace
}  // namespace photovec::decode
