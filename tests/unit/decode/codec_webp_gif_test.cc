// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <cstring>
#include <string>

#include "unit/decode/decode_testing.h"

namespace photovec::decode {
namespace {

using test::DecodeAll;
using test::Pixel;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(CodecWebp, LossyAndLosslessAndAlpha) {
  const test::Raster photo = test::MakePhoto(61, 43, 3);
  RgbImage image;
  ASSERT_TRUE(DecodeAll(test::EncodeWebp(photo, false), &image).ok());
  EXPECT_GT(test::Psnr(image, photo), 25);
  const auto header = DecodeAll(test::EncodeWebp(photo, true), &image);
  ASSERT_TRUE(header.ok());
  EXPECT_TRUE(header->webp.lossless);
  EXPECT_GT(test::Psnr(image, photo), 100);

  test::Raster alpha = test::MakePhoto(40, 20, 4);
  for (size_t i = 3; i < alpha.samples.size(); i += 4) alpha.samples[i] = i % 8 < 4 ? 255 : 128;
  for (const bool lossless : {false, true}) {
    const test::Encoded webp = test::EncodeWebp(alpha, lossless);
    ASSERT_TRUE(DecodeAll(webp, &image).ok());
    EXPECT_GT(test::Psnr(image, alpha), lossless ? 100 : 20);
    const auto dropped = Pixel(image, 1, 0);
    ASSERT_TRUE(DecodeAll(webp, &image, AlphaMode::kWhite).ok());
    EXPECT_EQ(Pixel(image, 1, 0)[0], OverWhite(dropped[0], alpha.At(1, 0)[3]));
  }
}

TEST(CodecWebp, TheFirstFrameLiesOnItsCanvas) {
  const test::Raster photo = test::MakePhoto(20, 10, 3);
  const test::Encoded animation = test::AnimateWebp(test::EncodeWebp(photo, true), 40, 30, 6, 8, 3);
  RgbImage image;
  const auto header = DecodeAll(animation, &image);
  ASSERT_TRUE(header.ok()) << header.status().ToString();
  EXPECT_EQ(image.width(), 40);
  EXPECT_EQ(image.height(), 30);
  EXPECT_THAT(Pixel(image, 0, 0), ElementsAre(0, 0, 0));
  EXPECT_EQ(std::memcmp(image.Row(8) + 6 * 3, photo.At(0, 0), 20 * 3), 0);
  ASSERT_TRUE(DecodeAll(animation, &image, AlphaMode::kWhite).ok());
  EXPECT_THAT(Pixel(image, 39, 29), ElementsAre(255, 255, 255));
  const test::Encoded outside = test::AnimateWebp(test::EncodeWebp(photo, true), 40, 30, 30, 8, 1);
  EXPECT_THAT(DecodeAll(outside, &image).status().message(), HasSubstr("does not fit"));
}

TEST(CodecWebp, AHundredThousandFramesCostOne) {
  const test::Encoded animation =
      test::AnimateWebp(test::EncodeWebp(test::MakePhoto(8, 8, 3), false), 8, 8, 0, 0, 100'000);
  RgbImage image;
  const auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(DecodeAll(animation, &image).ok());
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
}

TEST(CodecWebp, ReadsExif) {
  const test::Encoded still = test::EncodeWebp(test::MakePhoto(20, 10, 3), false);
  RgbImage image;
  const auto header = DecodeAll(test::WebpWithExif(still, 20, 10, test::ExifBlock(8)), &image);
  ASSERT_TRUE(header.ok()) << header.status().ToString();
  EXPECT_EQ(header->orientation, 8);
  EXPECT_FALSE(DecodeAll(test::WebpWithExif(still, 21, 10, test::ExifBlock(8)), &image).ok())
      << "canvas lies";
}

TEST(CodecWebp, BytesAfterTheContainerAreIgnored) {
  const test::Encoded still = test::EncodeWebp(test::MakePhoto(20, 10, 3), false);
  RgbImage image;
  EXPECT_TRUE(DecodeAll(test::Insert(still, still.size(), test::Encoded(9, 0xAA)), &image).ok());
}

std::vector<uint8_t> GifColor(int index, int bits = 8) {
  const auto palette = test::GifPalette(bits);
  const auto at = palette.begin() + static_cast<ptrdiff_t>(index) * 3;
  return {at, at + 3};
}

TEST(CodecGif, GlobalAndLocalPalettesAndInterlace) {
  const test::Raster indices = test::MakePhoto(31, 21, 1);
  for (const bool local : {false, true}) {
    for (const bool interlaced : {false, true}) {
      test::GifOptions options;
      options.local_palette = local;
      options.interlaced = interlaced;
      RgbImage image;
      const auto header = DecodeAll(test::EncodeGif(indices, options), &image);
      ASSERT_TRUE(header.ok()) << header.status().ToString();
      for (int y = 0; y < 21; ++y) {
        for (int x = 0; x < 31; ++x)
          ASSERT_EQ(Pixel(image, x, y), GifColor(*indices.At(x, y))) << x << "," << y;
      }
    }
  }
}

TEST(CodecGif, UncoveredCanvasAndTransparency) {
  test::GifOptions options;
  options.canvas_width = 30;
  options.canvas_height = 20;
  options.x = 4;
  options.y = 5;
  const test::Raster indices{2, 1, 1, {9, 200}};
  RgbImage image;
  ASSERT_TRUE(DecodeAll(test::EncodeGif(indices, options), &image).ok());
  EXPECT_EQ(image.width(), 30);
  EXPECT_EQ(Pixel(image, 0, 0), GifColor(0)) << "index 0 without transparency, as in Pillow";
  EXPECT_EQ(Pixel(image, 5, 5), GifColor(200));
  options.transparent = 9;
  const test::Encoded transparent = test::EncodeGif(indices, options);
  ASSERT_TRUE(DecodeAll(transparent, &image).ok());
  EXPECT_EQ(Pixel(image, 0, 0), GifColor(9)) << "the transparent colour, as in Pillow";
  EXPECT_EQ(Pixel(image, 4, 5), GifColor(9));
  ASSERT_TRUE(DecodeAll(transparent, &image, AlphaMode::kWhite).ok());
  EXPECT_THAT(Pixel(image, 0, 0), ElementsAre(255, 255, 255));
  EXPECT_THAT(Pixel(image, 4, 5), ElementsAre(255, 255, 255));
  EXPECT_EQ(Pixel(image, 5, 5), GifColor(200));
}

TEST(CodecGif, AFrameOutsideTheCanvasEnlargesIt) {
  test::GifOptions options;
  options.canvas_width = 10;
  options.canvas_height = 10;
  options.x = 8;
  options.y = 3;
  const test::Raster indices = test::MakePhoto(20, 4, 1);
  RgbImage image;
  const auto header = DecodeAll(test::EncodeGif(indices, options), &image);
  ASSERT_TRUE(header.ok()) << header.status().ToString();
  EXPECT_EQ(header->width, 28);
  EXPECT_EQ(header->height, 10);
  EXPECT_EQ(Pixel(image, 27, 6), GifColor(*indices.At(19, 3)));
  options.x = 65'530;
  EXPECT_EQ(DecodeAll(test::EncodeGif(indices, options), &image).status().code(), Code::kTooManyPixels);
}

TEST(CodecGif, AHundredThousandFramesCostOne) {
  test::GifOptions options;
  options.frames = 100'000;
  const test::Encoded gif = test::EncodeGif(test::MakePhoto(4, 4, 1), options);
  RgbImage image;
  const auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(DecodeAll(gif, &image).ok());
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
}

TEST(CodecGif, WithoutAFrameItIsCorrupt) {
  test::Encoded gif = test::EncodeGif(test::MakePhoto(4, 4, 1));
  const size_t first_block = 13 + 3 * 256;
  gif.resize(first_block);
  gif.push_back(0x3B);
  RgbImage image;
  const Status status = DecodeAll(gif, &image).status();
  EXPECT_EQ(status.code(), Code::kImageCorrupt);
  EXPECT_THAT(status.message(), HasSubstr("no frame"));
}

}  // namespace
}  // namespace photovec::decode
