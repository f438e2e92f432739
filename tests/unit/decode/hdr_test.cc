// SPDX-License-Identifier: MIT
#include "decode/color/hdr.h"

#include <gtest/gtest.h>

#include "decode/color/code_profile.h"
#include "decode/color/transform.h"

namespace photovec::decode {
namespace {

constexpr ColourCode kPq{9, 16, 9, true};
constexpr ColourCode kHlg{9, 18, 9, true};

std::array<uint8_t, 3> Convert(const HdrToSrgb& hdr, uint8_t r, uint8_t g, uint8_t b) {
  std::array<uint8_t, 3> pixel = {r, g, b};
  hdr.Apply(pixel.data(), 1);
  return pixel;
}

TEST(Hdr, RollOffKeepsTheDarkAndEndsAtWhite) {
  // BT.2390's spline between 1000 and 203 cd/m2 begins at 87.8 cd/m2.
  for (const double nits : {0.0, 0.01, 1.0, 50.0, 87.0}) EXPECT_NEAR(HdrToSrgb::RollOff(nits), nits, 1e-6);
  EXPECT_NEAR(HdrToSrgb::RollOff(203), 159.0, 0.1);
  EXPECT_NEAR(HdrToSrgb::RollOff(1000), 203, 0.01);
  EXPECT_NEAR(HdrToSrgb::RollOff(10'000), 203, 0.01);
  double before = 0;
  for (double nits = 1; nits < 1200; nits += 1) {
    const double now = HdrToSrgb::RollOff(nits);
    EXPECT_GE(now, before) << nits;
    EXPECT_LE(now, nits + 1e-6);
    before = now;
  }
}

TEST(Hdr, KnownLevels) {
  // PQ's 0.3 is 10.06 cd/m2, 5% of white: level 63 of sRGB's curve. HLG's 0.5 is 1/12 of the scene, 50.6
  // cd/m2.
  const auto dark = Convert(HdrToSrgb(kPq), 77, 77, 77);
  EXPECT_NEAR(dark[0], 63, 2);
  const auto middle = Convert(HdrToSrgb(kHlg), 128, 128, 128);
  EXPECT_NEAR(middle[0], 137, 2);
  for (const ColourCode& which : {kPq, kHlg}) {
    const HdrToSrgb code(which);
    const auto black = Convert(code, 0, 0, 0);
    EXPECT_EQ(black[0], 0);
    const auto white = Convert(code, 255, 255, 255);
    for (const uint8_t level : white) EXPECT_EQ(level, 255);
    int before = 0;
    for (int level = 0; level < 256; ++level) {
      const auto grey = Convert(code, static_cast<uint8_t>(level), static_cast<uint8_t>(level),
                                static_cast<uint8_t>(level));
      EXPECT_LE(grey[0] - std::min(grey[1], grey[2]), 1) << "greys stay grey";
      EXPECT_GE(grey[0], before);
      before = grey[0];
    }
  }
  // The same levels mean more colour in wider primaries.
  const auto wide = Convert(HdrToSrgb(kPq), 120, 80, 80);
  const auto narrow = Convert(HdrToSrgb({1, 16, 1, true}), 120, 80, 80);
  EXPECT_GT(wide[0] - wide[1], narrow[0] - narrow[1] + 10);
}

ImageHeader Said(Format format, const ColourCode& code) {
  ImageHeader header;
  header.format = format;
  header.colour = code;
  return header;
}

TEST(CodePoints, AreConvertedOnceAndAsTheirProfile) {
  ColorConverter converter;
  RgbImage pixel;
  const auto convert = [&](const ColourCode& code) {
    pixel.Reset(1, 1);
    const uint8_t levels[3] = {200, 100, 50};
    std::copy_n(levels, 3, pixel.data());
    return converter.Convert({}, Said(Format::kAvif, code), {}, &pixel);
  };
  EXPECT_EQ(convert({12, 13, 6, true}), ProfileUse::kConverted);  // Display P3, by CSS Color 4's matrices
  EXPECT_NEAR(pixel.data()[0], 215, 1);
  EXPECT_NEAR(pixel.data()[1], 93, 1);
  EXPECT_NEAR(pixel.data()[2], 31, 1);
  EXPECT_EQ(convert({1, 13, 6, true}), ProfileUse::kNone);
  EXPECT_EQ(convert({2, 2, 2, false}), ProfileUse::kNone);
  EXPECT_EQ(convert({1, 1, 1, false}), ProfileUse::kNone) << "BT.709's curve counts as sRGB's";
  EXPECT_EQ(pixel.data()[0], 200);
  EXPECT_EQ(convert({9, 16, 9, true}), ProfileUse::kConverted);
  EXPECT_EQ(convert({99, 13, 6, true}), ProfileUse::kNone);
  EXPECT_EQ(convert({9, 10, 6, true}), ProfileUse::kNone) << "a logarithmic curve";
  EXPECT_EQ(ProfileOfCode({12, 13, 0, true}), ProfileOfCode({12, 13, 6, false}))
      << "the same bytes each time";
  EXPECT_FALSE(ProfileOfCode({1, 4, 0, true}).empty());
}

}  // namespace
}  // namespace photovec::decode
