// SPDX-License-Identifier: MIT
// What photovec itself reads of JPEG XL and JPEG 2000, before a library sees them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "decode/header_probe.h"
#include "decode/limits.h"
#include "testing/test_images_icc.h"
#include "testing/test_images_jxl.h"

namespace photovec::decode {
namespace {

using test::Encoded;
using test::J2kOptions;
using test::JxlOptions;
using ::testing::HasSubstr;

TEST(JxlProbe, EveryFormOfTheHeader) {
  // Small, by ratios, and every number of bits that sizes are written in.
  const std::pair<int, int> sizes[] = {{1, 1},     {8, 8},    {256, 256}, {300, 200},
                                       {320, 240}, {160, 90}, {500, 7},   {7, 9000}};
  for (const auto& [width, height] : sizes) {
    for (const bool container : {false, true}) {
      JxlOptions options;
      options.container = container;
      options.orientation = 1 + width % 8;
      const Result<ImageHeader> header =
          ProbeHeader(test::EncodeJxl(test::MakePhoto(width, height, 3), options));
      ASSERT_TRUE(header.ok()) << header.status().ToString();
      EXPECT_EQ(header->width, width);
      EXPECT_EQ(header->height, height);
      EXPECT_EQ(header->orientation, options.orientation);
    }
  }
  for (int channels = 1; channels <= 4; ++channels) {
    for (const int bits : {8, 16}) {
      JxlOptions options;
      options.bits = bits;
      options.frames = channels;
      const Result<ImageHeader> header =
          ProbeHeader(test::EncodeJxl(test::MakePhoto(20, 10, channels), options));
      ASSERT_TRUE(header.ok()) << header.status().ToString();
      EXPECT_EQ(header->jxl.bit_depth, bits);
      EXPECT_EQ(header->jxl.grey, channels < 3);
      EXPECT_EQ(header->jxl.has_alpha, channels % 2 == 0);
      EXPECT_EQ(header->jxl.extra_channels, channels % 2 == 0 ? 1 : 0);
      EXPECT_EQ(header->jxl.animated, channels > 1);
      EXPECT_FALSE(header->jxl.xyb);
    }
  }
}

TEST(JxlProbe, ACodestreamInParts) {
  const Encoded whole = test::EncodeJxl(test::MakePhoto(300, 200, 3), {});
  Encoded file = {0, 0, 0, 12, 'J', 'X', 'L', ' ', '\r', '\n', 0x87, '\n'};
  for (uint8_t i = 0; i < 3; ++i) {  // 3 bytes each, then the rest
    const size_t from = size_t{3} * i;
    const size_t bytes = i == 2 ? whole.size() - from : 3;
    const auto size = static_cast<uint32_t>(bytes + 12);
    for (int shift = 24; shift >= 0; shift -= 8) file.push_back(static_cast<uint8_t>(size >> shift));
    file.insert(file.end(), {'j', 'x', 'l', 'p', static_cast<uint8_t>(i == 2 ? 0x80 : 0), 0, 0, i});
    file.insert(file.end(), whole.begin() + static_cast<ptrdiff_t>(from),
                whole.begin() + static_cast<ptrdiff_t>(from + bytes));
  }
  const Result<ImageHeader> header = ProbeHeader(file);
  ASSERT_TRUE(header.ok()) << header.status().ToString();
  EXPECT_EQ(header->width, 300);
}

/// A bare codestream whose SIZ has these numbers, each of 32 bits, from offset 8 on.
Encoded WithSize(std::initializer_list<uint32_t> numbers) {
  J2kOptions options;
  options.boxes = false;
  Encoded file = test::EncodeJ2k(test::MakePhoto(40, 30, 3), options);
  size_t at = 8;
  for (const uint32_t number : numbers) {
    for (int shift = 24; shift >= 0; shift -= 8) file.at(at++) = static_cast<uint8_t>(number >> shift);
  }
  return file;
}

TEST(Jpeg2000Probe, FiguresThatCannotBeAreRefused) {
  constexpr uint32_t kMost = 0xFFFFFFFF;
  for (const Encoded& file : {WithSize({0, 30}), WithSize({40, 30, 40, 0}), WithSize({40, 30, 0, 0, 0, 30}),
                              WithSize({kMost, kMost, 0, 0, 1, 1}), WithSize({40, 30, 0, 0, 40, 30, 1, 0}),
                              WithSize({400, 300, 200, 0, 40, 30, 0, 0})}) {
    EXPECT_EQ(ProbeHeader(file).status().code(), Code::kImageCorrupt);
  }
  const Result<ImageHeader> large = ProbeHeader(WithSize({INT32_MAX, INT32_MAX, 0, 0, kMost, kMost}));
  ASSERT_TRUE(large.ok()) << large.status().ToString();
  EXPECT_EQ(CheckHeader(*large, 1, AlphaMode::kDrop, {}).code(), Code::kTooManyPixels);
}

TEST(Jpeg2000Probe, WhatIsCutSmallCostsMore) {
  const test::Raster photo = test::MakePhoto(200, 150, 3);
  const auto tables = [&](const J2kOptions& options) {
    const Result<ImageHeader> header = ProbeHeader(test::EncodeJ2k(photo, options));
    return header.ok() ? header->jpeg2000.table_bytes : -1;
  };
  J2kOptions plain;
  const int64_t usual = tables(plain);
  EXPECT_GT(usual, 0);
  EXPECT_LT(usual, 200'000);
  J2kOptions tiny = plain;
  tiny.block = 4;
  EXPECT_GT(tables(tiny), 10 * usual);
  J2kOptions precincts = plain;
  precincts.precinct = 8;
  EXPECT_GT(tables(precincts), 10 * usual);
  J2kOptions tiles = plain;
  tiles.tile = 8;
  EXPECT_GT(tables(tiles), 10 * usual);
}

TEST(Jpeg2000Probe, ColoursInBoxes) {
  Encoded lab = test::EncodeJ2k(test::MakePhoto(40, 30, 3), {});
  const size_t colr = test::Find(lab, "colr");
  lab.at(colr + 10) = 14;
  const Status refused = ProbeHeader(lab).status();
  EXPECT_EQ(refused.code(), Code::kUnsupportedFormat);
  EXPECT_THAT(refused.message(), HasSubstr("CIELab"));
  // A profile in the place of the enumerated colours: the box and the one around it grow.
  const Encoded icc = test::MakeIcc(test::IccKind::kDisplayP3);
  Encoded file = test::EncodeJ2k(test::MakePhoto(40, 30, 3), {});
  const size_t jp2h = test::Find(file, "jp2h");
  const auto grow = [&](size_t type, size_t by) {
    const size_t size = (size_t{file[type - 2]} << 8 | file[type - 1]) + by;
    file[type - 2] = static_cast<uint8_t>(size >> 8);
    file[type - 1] = static_cast<uint8_t>(size);
  };
  grow(jp2h, icc.size() - 4);
  grow(colr, icc.size() - 4);
  file[colr + 4] = 2;
  file.erase(file.begin() + static_cast<ptrdiff_t>(colr) + 7,
             file.begin() + static_cast<ptrdiff_t>(colr) + 11);
  file = test::Insert(file, colr + 7, icc);
  const Result<ImageHeader> header = ProbeHeader(file);
  ASSERT_TRUE(header.ok()) << header.status().ToString();
  EXPECT_TRUE(header->jpeg2000.has_icc);
  EXPECT_TRUE(std::equal(icc.begin(), icc.end(), header->jpeg2000.icc.begin(), header->jpeg2000.icc.end()));
}

}  // namespace
}  // namespace photovec::decode
