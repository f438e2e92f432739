// SPDX-License-Identifier: MIT
#include "decode/color/transform.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "testing/test_images_icc.h"
#include "unit/decode/decode_testing.h"

namespace photovec::decode {
namespace {

using test::Encoded;
using test::IccKind;

RgbImage Filled(int width, int height, uint8_t r, uint8_t g, uint8_t b) {
  RgbImage image;
  image.Reset(width, height);
  for (int i = 0; i < width * height; ++i) {
    uint8_t* at = image.data() + static_cast<ptrdiff_t>(3) * i;
    at[0] = r;
    at[1] = g;
    at[2] = b;
  }
  return image;
}

ProfileUse ConvertOne(const Encoded& profile, bool grey, uint8_t (&rgb)[3]) {
  ColorConverter converter;
  RgbImage image = Filled(1, 1, rgb[0], rgb[1], rgb[2]);
  const ProfileUse use = converter.ConvertWith(profile, grey, {}, &image);
  std::memcpy(rgb, image.data(), 3);
  return use;
}

TEST(ColorConverter, KnownColours) {
  // Display P3's (200, 100, 50) in sRGB is (215, 93, 31), by CSS Color 4's matrices.
  uint8_t p3[3] = {200, 100, 50};
  EXPECT_EQ(ConvertOne(test::MakeIcc(IccKind::kDisplayP3), false, p3), ProfileUse::kConverted);
  EXPECT_NEAR(p3[0], 215, 1);
  EXPECT_NEAR(p3[1], 93, 1);
  EXPECT_NEAR(p3[2], 31, 1);
  // The same table of colours, interpolated.
  uint8_t table[3] = {200, 100, 50};
  EXPECT_EQ(ConvertOne(test::MakeIcc(IccKind::kTable), false, table), ProfileUse::kConverted);
  for (int c = 0; c < 3; ++c) EXPECT_NEAR(table[c], p3[c], 8);
  // Greys stay grey; a grey of gamma 1.8 is darker in sRGB's curve.
  for (const IccKind kind : {IccKind::kDisplayP3, IccKind::kAdobeRgb}) {
    uint8_t white[3] = {255, 255, 255};
    ConvertOne(test::MakeIcc(kind), false, white);
    for (const uint8_t level : white) EXPECT_GE(level, 254);
  }
  uint8_t grey[3] = {100, 100, 100};
  EXPECT_EQ(ConvertOne(test::MakeIcc(IccKind::kGrey), true, grey), ProfileUse::kConverted);
  EXPECT_NEAR(grey[0], 118, 2);
  EXPECT_EQ(grey[0], grey[1]);
  EXPECT_EQ(grey[1], grey[2]);
}

TEST(ColorConverter, SrgbIsLeftAlone) {
  uint8_t rgb[3] = {12, 200, 77};
  EXPECT_EQ(ConvertOne(test::MakeIcc(IccKind::kSrgb), false, rgb), ProfileUse::kAlreadySrgb);
  EXPECT_EQ(rgb[0], 12);
  EXPECT_EQ(rgb[1], 200);
  EXPECT_EQ(rgb[2], 77);
}

TEST(ColorConverter, WhatDoesNotFitIsIgnored) {
  const auto ignored = [](const Encoded& profile, bool grey) {
    uint8_t rgb[3] = {200, 100, 50};
    const ProfileUse use = ConvertOne(profile, grey, rgb);
    return use == ProfileUse::kIgnored && rgb[0] == 200 && rgb[1] == 100 && rgb[2] == 50;
  };
  const Encoded p3 = test::MakeIcc(IccKind::kDisplayP3);
  EXPECT_FALSE(ignored(p3, false));
  EXPECT_TRUE(ignored(p3, true));
  EXPECT_TRUE(ignored(test::MakeIcc(IccKind::kGrey), false));
  EXPECT_TRUE(ignored(test::MakeIcc(IccKind::kCmyk), false));
  EXPECT_TRUE(ignored(test::MakeIcc(IccKind::kMultiStage), false));
  EXPECT_TRUE(ignored({}, false));
  EXPECT_TRUE(ignored(Encoded(2000, 'x'), false));
  EXPECT_TRUE(ignored(test::Cut(p3, 131), false));
  Encoded link = p3;
  std::memcpy(link.data() + 12, "link", 4);
  EXPECT_TRUE(ignored(link, false));
  Encoded newer = p3;
  newer[8] = 5;  // iccMAX
  EXPECT_TRUE(ignored(newer, false));
  Encoded no_red = p3;
  std::memcpy(no_red.data() + test::Find(no_red, "rXYZ"), "nope", 4);
  EXPECT_TRUE(ignored(no_red, false));
}

TEST(ColorConverter, EveryPrefixAndEveryFlippedBitIsSafe) {
  for (const IccKind kind : {IccKind::kDisplayP3, IccKind::kTable, IccKind::kGrey}) {
    const Encoded profile = test::MakeIcc(kind);
    const bool grey = kind == IccKind::kGrey;
    RgbImage image = Filled(3, 2, 10, 20, 30);
    ColorConverter converter;
    const size_t step = kind == IccKind::kTable ? 29 : 1;  // 20 ms each
    for (size_t size = 0; size < profile.size(); size += size < 600 ? step : 1997) {
      converter.ConvertWith(test::Cut(profile, size), grey, {}, &image);
    }
    for (size_t i = 0; i < profile.size() && i < 600; i += step) {
      Encoded broken = profile;
      broken[i] ^= static_cast<uint8_t>(1U << (i % 8));
      converter.ConvertWith(broken, grey, {}, &image);
    }
  }
}

TEST(ColorConverter, OnlyTheWindowIsTouched) {
  ColorConverter converter;
  RgbImage image = Filled(10, 6, 200, 100, 50);
  PixelWindow window;
  window.first_row = 1;
  window.end_row = 4;
  window.first_column = 3;
  window.end_column = 8;
  EXPECT_EQ(converter.ConvertWith(test::MakeIcc(IccKind::kDisplayP3), false, window, &image),
            ProfileUse::kConverted);
  for (int y = 0; y < 6; ++y) {
    for (int x = 0; x < 10; ++x) {
      const bool inside = y >= 1 && y < 4 && x >= 3 && x < 8;
      EXPECT_EQ(test::Pixel(image, x, y)[0] != 200, inside) << x << ", " << y;
    }
  }
}

/// More profiles than are kept, in an order that makes them come and go.
TEST(ColorConverter, WhatWasConvertedBeforeDoesNotMatter) {
  std::vector<Encoded> profiles;
  for (const IccKind kind : {IccKind::kDisplayP3, IccKind::kAdobeRgb, IccKind::kProPhoto, IccKind::kTable,
                             IccKind::kSrgb, IccKind::kMultiStage}) {
    profiles.push_back(test::MakeIcc(kind));
  }
  profiles.push_back(test::PadIcc(profiles[0], size_t{2} << 20));  // too large to keep
  profiles.push_back(Encoded(profiles[1].begin(), profiles[1].begin() + 200));
  ColorConverter converter;
  for (size_t turn = 0; turn < 60; ++turn) {
    const Encoded& profile = profiles[turn * turn % 11 % profiles.size()];
    RgbImage kept = Filled(4, 4, 210, 30, 120);
    RgbImage fresh = Filled(4, 4, 210, 30, 120);
    ColorConverter other;
    ASSERT_EQ(converter.ConvertWith(profile, false, {}, &kept),
              other.ConvertWith(profile, false, {}, &fresh));
    ASSERT_EQ(std::memcmp(kept.data(), fresh.data(), 48), 0) << turn;
  }
}

/// lcms2 is refused memory at every point where it asks for some.
TEST(ColorConverter, AProfileThatNeedsTooMuchMemoryIsIgnored) {
  for (const IccKind kind : {IccKind::kDisplayP3, IccKind::kTable, IccKind::kGrey}) {
    const Encoded profile = test::MakeIcc(kind);
    const bool grey = kind == IccKind::kGrey;
    size_t ignored = 0;
    size_t converted = 0;
    const size_t part = kind == IccKind::kTable ? 12 : 64;  // tables take 20 ms each
    for (size_t limit = 0; limit < size_t{2} << 20; limit += 16 + limit / part) {
      RgbImage image = Filled(2, 2, 200, 100, 50);
      ColorConverter converter(limit);
      const ProfileUse use = converter.ConvertWith(profile, grey, {}, &image);
      ASSERT_TRUE(use == ProfileUse::kIgnored || use == ProfileUse::kConverted) << limit;
      (use == ProfileUse::kIgnored ? ignored : converted) += 1;
      if (use == ProfileUse::kIgnored) {
        ASSERT_EQ(image.data()[0], 200) << limit;
      }
    }
    EXPECT_GT(ignored, 20U);
    EXPECT_GT(converted, 5U);
  }
}

TEST(ColorConverter, WarmUpWorks) { EXPECT_TRUE(WarmUpColor()); }

/// Whole decodes: what the option does to each container.
TEST(DecoderColor, ConvertsOnlyWhenAsked) {
  const auto decoder = MakeInProcessDecoder();
  const Encoded p3 = test::MakeIcc(IccKind::kDisplayP3);
  const test::Raster photo = test::MakePhoto(64, 64, 3);
  const test::Raster ink = test::MakePhoto(64, 64, 4);
  const test::Raster level = test::MakePhoto(64, 64, 1);
  test::PngOptions grey_png;
  grey_png.color_type = 0;
  test::PngOptions palette_png;
  palette_png.color_type = 3;
  for (int i = 0; i < 256; ++i) {
    for (const int level8 : {i, 255 - i, i / 2}) palette_png.palette.push_back(static_cast<uint8_t>(level8));
  }
  const Encoded grey_profile = test::MakeIcc(IccKind::kGrey);
  const Encoded webp = test::EncodeWebp(photo, true);
  const Encoded grey = test::EncodePng(64, 64, level.samples, grey_png);
  struct Case {
    const char* what;
    Encoded file;
    ProfileUse use;
  };
  const Case cases[] = {
      {"plain JPEG", test::EncodeJpeg(photo), ProfileUse::kNone},
      {"JPEG", test::JpegWithIcc(test::EncodeJpeg(photo), p3), ProfileUse::kConverted},
      {"JPEG, chunks", test::JpegWithIcc(test::EncodeJpeg(photo), p3, 3, {2, 3, 1}), ProfileUse::kConverted},
      {"JPEG, sRGB", test::JpegWithIcc(test::EncodeJpeg(photo), test::MakeIcc(IccKind::kSrgb)),
       ProfileUse::kAlreadySrgb},
      {"JPEG, chunk missing", test::JpegWithIcc(test::EncodeJpeg(photo), p3, 3, {1, 2}),
       ProfileUse::kIgnored},
      {"CMYK JPEG", test::JpegWithIcc(test::EncodeJpeg(ink), test::MakeIcc(IccKind::kCmyk)),
       ProfileUse::kIgnored},
      {"CMYK JPEG with an RGB profile", test::JpegWithIcc(test::EncodeJpeg(ink), p3), ProfileUse::kIgnored},
      {"grey JPEG", test::JpegWithIcc(test::EncodeJpeg(level), grey_profile), ProfileUse::kConverted},
      {"grey JPEG with an RGB profile", test::JpegWithIcc(test::EncodeJpeg(level), p3), ProfileUse::kIgnored},
      {"PNG", test::PngWithIcc(test::EncodePng(64, 64, photo.samples, {}), p3), ProfileUse::kConverted},
      {"grey PNG", test::PngWithIcc(grey, grey_profile), ProfileUse::kConverted},
      {"palette PNG", test::PngWithIcc(test::EncodePng(64, 64, level.samples, palette_png), p3),
       ProfileUse::kConverted},
      {"WebP", test::WebpWithIcc(webp, 64, 64, p3), ProfileUse::kConverted},
      {"GIF", test::EncodeGif(level), ProfileUse::kNone}};
  preprocess::Spec spec;
  spec.resize_short = spec.crop = 32;
  for (const Case& one : cases) {
    std::vector<uint8_t> slots[2];
    for (const ColorMode mode : {ColorMode::kIgnore, ColorMode::kSrgb}) {
      std::vector<uint8_t>& slot = slots[mode == ColorMode::kSrgb ? 1 : 0];
      slot.resize(spec.slot_bytes());
      DecodeJob job;
      job.encoded = one.file;
      job.spec = &spec;
      job.options.color = mode;
      job.out = slot;
      const auto report = decoder->Decode(job);
      ASSERT_TRUE(report.ok()) << one.what << ": " << report.status().ToString();
      EXPECT_EQ(report->profile, mode == ColorMode::kSrgb ? one.use : ProfileUse::kNone) << one.what;
    }
    EXPECT_EQ(slots[0] != slots[1], one.use == ProfileUse::kConverted) << one.what;
  }
}

}  // namespace
}  // namespace photovec::decode
