// SPDX-License-Identifier: MIT
// What is read of a HEIC or AVIF before libheif sees it. Pixels: sandbox/heif_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "decode/formats/heif/boxes.h"
#include "decode/formats/heif/support.h"
#include "decode/limits.h"
#include "decode/sniff.h"
#include "testing/heif_builder.h"

namespace photovec::decode {
namespace {

using test::Encoded;
using test::FakeHeifPart;
using test::HeifBuilder;
using ::testing::HasSubstr;

ImageHeader Probed(const Encoded& file) {
  const Result<ImageHeader> header = ProbeHeader(file);
  EXPECT_TRUE(header.ok()) << header.status().ToString();
  return header.ok() ? *header : ImageHeader();
}

void ExpectRefused(const Encoded& file, Code code, const std::string& words) {
  const Status status = ProbeHeader(file).status();
  EXPECT_EQ(status.code(), code) << status.ToString();
  EXPECT_THAT(status.message(), HasSubstr(words));
}

/// A grid of 2 x 3 tiles of 64 x 64, cut to 180 x 120.
HeifBuilder Grid(size_t tiles_there = 6) {
  HeifBuilder builder;
  std::vector<uint32_t> tiles;
  for (size_t i = 0; i < tiles_there; ++i) tiles.push_back(builder.AddCoded(FakeHeifPart(64, 64)));
  builder.primary = builder.AddGrid(2, 3, 180, 120, tiles);
  return builder;
}

TEST(HeifProbe, ReadsWhatTheEncoderOfLibheifWrites) {
  const Encoded heic = test::EncodeHeif(test::MakePhoto(96, 64, 3));
  ImageHeader header = Probed(heic);
  EXPECT_EQ(header.format, Format::kHeif);
  EXPECT_EQ(header.width, 96);
  EXPECT_EQ(header.height, 64);
  EXPECT_EQ(header.orientation, 1);
  EXPECT_TRUE(header.heif.hevc && !header.heif.av1 && header.heif.subsampled && !header.heif.has_alpha);
  test::HeifOptions options;
  options.av1 = true;
  header = Probed(test::EncodeHeif(test::MakePhoto(96, 64, 3), options));
  EXPECT_EQ(header.format, Format::kAvif);
  EXPECT_TRUE(header.heif.av1 && !header.heif.hevc);
  options.av1 = false;
  options.bit_depth = 10;
  options.chroma_444 = true;
  header = Probed(test::EncodeHeif(test::MakePhoto(96, 64, 3), options));
  EXPECT_EQ(header.heif.bit_depth, 10);
  EXPECT_FALSE(header.heif.subsampled);
}

TEST(HeifProbe, BrandsDecideTheFormat) {
  struct Case {
    std::vector<std::string> brands;
    Format format;
  };
  const Case cases[] = {{{"heic", "mif1"}, Format::kHeif},
                        {{"heix"}, Format::kHeif},
                        {{"mif1", "heic"}, Format::kHeif},
                        {{"mif1", "miaf"}, Format::kHeif},
                        {{"msf1", "hevc"}, Format::kHeif},
                        {{"mif1", "avif"}, Format::kAvif},
                        {{"avif", "mif1"}, Format::kAvif},
                        {{"avis", "avif", "msf1"}, Format::kAvif},
                        {{"isom", "mp42", "avc1"}, Format::kUnknown},
                        {{"qt  "}, Format::kUnknown},
                        {{"mp42", "isom", "heic"}, Format::kHeif},
                        {{"mif3"}, Format::kUnknown}};
  for (const Case& one : cases) {
    HeifBuilder builder;
    builder.AddCoded(FakeHeifPart(8, 8));
    builder.brands = one.brands;
    EXPECT_EQ(Sniff(builder.Build()), one.format) << one.brands.front();
  }
}

TEST(HeifProbe, SizesAreThoseThatAreShown) {
  for (int quarters = 0; quarters < 4; ++quarters) {
    HeifBuilder builder;
    const uint32_t id = builder.AddCoded(FakeHeifPart(96, 64));
    builder.AddRotation(id, quarters);
    builder.AddMirror(id, 0);
    const ImageHeader header = Probed(builder.Build());
    EXPECT_EQ(header.width, quarters % 2 == 0 ? 96 : 64) << quarters;
    EXPECT_EQ(header.height, quarters % 2 == 0 ? 64 : 96) << quarters;
    EXPECT_EQ(header.orientation, 1);
    EXPECT_TRUE(header.heif.turned);
  }
  HeifBuilder cropped;
  cropped.AddCrop(cropped.AddCoded(FakeHeifPart(96, 64)), 50, 40);
  const ImageHeader header = Probed(cropped.Build());
  EXPECT_TRUE(header.heif.cropped);
  EXPECT_EQ(header.width, 50);
  EXPECT_EQ(header.height, 40);
}

TEST(HeifProbe, GridsCountTheirTiles) {
  const ImageHeader header = Probed(Grid().Build());
  EXPECT_EQ(header.width, 180);
  EXPECT_EQ(header.height, 120);
  EXPECT_TRUE(header.heif.derived);
  EXPECT_EQ(header.heif.parts_pixels, 6 * 64 * 64);
  EXPECT_EQ(header.heif.largest_part_pixels, 64 * 64);
  ExpectRefused(Grid(5).Build(), Code::kImageCorrupt, "grid of 2 x 3 tiles and has 5");

  HeifBuilder ghost;
  ghost.primary = ghost.AddGrid(1, 2, 128, 64, {ghost.AddCoded(FakeHeifPart(64, 64)), 77});
  ExpectRefused(ghost.Build(), Code::kImageCorrupt, "misses a part of its image (item 77)");

  HeifBuilder unlike;
  const uint32_t small = unlike.AddCoded(FakeHeifPart(32, 64));
  const uint32_t large = unlike.AddCoded(FakeHeifPart(64, 64));
  unlike.primary = unlike.AddGrid(1, 2, 96, 64, {large, small});
  ExpectRefused(unlike.Build(), Code::kImageCorrupt, "tiles of different sizes");

  HeifBuilder bare;
  const uint32_t tile = bare.AddCoded(FakeHeifPart(64, 64));
  bare.primary = bare.AddGrid(1, 2, 300, 64, {tile, tile});
  ExpectRefused(bare.Build(), Code::kImageCorrupt, "do not cover it");
}

TEST(HeifProbe, DerivationsEnd) {
  HeifBuilder self;
  self.primary = 1;
  self.AddGrid(1, 1, 64, 64, {1});
  ExpectRefused(self.Build(), Code::kUnsupportedFormat, "nested too deeply");
  HeifBuilder copy;
  const uint32_t coded = copy.AddCoded(FakeHeifPart(64, 32));
  copy.primary = copy.AddItem("iden", {});
  copy.Refer("dimg", copy.primary, {coded});
  copy.AddRotation(copy.primary, 1);
  const ImageHeader header = Probed(copy.Build());
  EXPECT_EQ(header.width, 32);
  EXPECT_EQ(header.height, 64);
}

TEST(HeifProbe, AlphaIsSeenAndThumbnailsAreNot) {
  HeifBuilder builder;
  const uint32_t image = builder.AddCoded(FakeHeifPart(96, 64));
  builder.MakeAlpha(builder.AddCoded(FakeHeifPart(96, 64)), image);
  const uint32_t thumbnail = builder.AddCoded(FakeHeifPart(20'000, 20'000));
  builder.Refer("thmb", thumbnail, {image});
  const ImageHeader header = Probed(builder.Build());
  EXPECT_TRUE(header.heif.has_alpha);
  EXPECT_EQ(header.heif.parts_pixels, 2 * 96 * 64);
  HeifBuilder unlike;
  unlike.AddCoded(FakeHeifPart(96, 64));
  unlike.MakeAlpha(unlike.AddCoded(FakeHeifPart(48, 32)), 1);
  EXPECT_TRUE(Probed(unlike.Build()).heif.has_alpha) << "it is stretched";
}

TEST(HeifProbe, DataOutsideOfTheFileIsCalledSo) {
  for (const int64_t shift : {int64_t{1}, int64_t{1'000'000}, int64_t{0x7FFFFFFF}, int64_t{0xFFFFF000}}) {
    HeifBuilder builder;
    builder.AddCoded(FakeHeifPart(96, 64));
    builder.shift = shift;
    ExpectRefused(builder.Build(), Code::kImageCorrupt, "the data of the image lies outside of the file");
  }
  HeifBuilder idat = Grid();
  idat.in_idat = true;
  EXPECT_EQ(Probed(idat.Build()).width, 180);
  idat.shift = 1;
  ExpectRefused(idat.Build(), Code::kImageCorrupt, "outside of the file");
  HeifBuilder lost;
  lost.primary = lost.AddItem("hvc1", {});
  lost.AddSize(lost.primary, 8, 8);
  ExpectRefused(lost.Build(), Code::kImageCorrupt, "does not say where the data of the image is");
}

TEST(HeifProbe, CountsAreLimited) {
  HeifBuilder builder;
  builder.AddCoded(FakeHeifPart(96, 64));
  builder.claimed_items = 1001;
  ExpectRefused(builder.Build(), Code::kDecodeLimit, "1001 items; the limit is 1000");
  HeifBuilder truly;
  truly.AddCoded(FakeHeifPart(96, 64));
  for (int i = 0; i < 1000; ++i) truly.AddItem("mime", {1});
  ExpectRefused(truly.Build(), Code::kDecodeLimit, "1001");
  HeifBuilder most;
  most.AddCoded(FakeHeifPart(96, 64));
  for (int i = 0; i < 999; ++i) most.AddItem("mime", {1});
  EXPECT_EQ(Probed(most.Build()).width, 96);
}

TEST(HeifProbe, ACutFileIsNeverTaken) {
  for (const bool in_idat : {false, true}) {
    HeifBuilder builder = Grid();
    builder.in_idat = in_idat;
    const Encoded file = builder.Build();
    for (size_t size = 1; size < file.size(); ++size) {
      const Status status = ProbeHeader(test::Cut(file, size)).status();
      // Before the brands are there it is no known format; cut among them it may look like another one.
      EXPECT_EQ(status.code(), size < 12 ? Code::kUnsupportedFormat : Code::kImageCorrupt)
          << "cut to " << size << " of " << file.size() << ": " << status.ToString();
    }
  }
}

TEST(HeifProbe, EveryBrokenByteIsSurvived) {
  const Encoded file = Grid().Build();
  for (size_t at = 0; at < file.size(); ++at) {
    for (const int value : {0x00, 0x01, 0x7F, 0x80, 0xFF}) {
      Encoded broken = file;
      broken[at] = static_cast<uint8_t>(value);
      const Result<ImageHeader> header = ProbeHeader(broken);
      if (!header.ok()) continue;
      EXPECT_GT(header->width, 0);
      EXPECT_GT(header->height, 0);
    }
  }
}

TEST(HeifProbe, OtherCodecsAreNamed) {
  HeifBuilder jpeg2000;
  const uint32_t id = jpeg2000.AddItem("j2k1", {1, 2, 3});
  jpeg2000.AddSize(id, 8, 8);
  ExpectRefused(jpeg2000.Build(), Code::kUnsupportedFormat, "'j2k1'; only HEVC and AV1 are decoded");
}

TEST(HeifLimits, LookAtEveryPart) {
  Limits limits;
  limits.max_pixels = 50'000'000;
  limits.max_side = 16'384;
  limits.max_decoder_bytes = 256LL << 20;
  EXPECT_TRUE(CheckHeader(Probed(Grid().Build()), 1, AlphaMode::kDrop, limits).ok());
  const auto refused = [&](const Encoded& file) {
    return CheckHeader(Probed(file), 1, AlphaMode::kDrop, limits).code();
  };
  EXPECT_EQ(refused(test::HeifOf(FakeHeifPart(16'385, 8))), Code::kTooManyPixels);
  EXPECT_EQ(refused(test::HeifOf(FakeHeifPart(8'000, 8'000))), Code::kTooManyPixels);
  EXPECT_EQ(refused(test::HeifOf(FakeHeifPart(0x7FFFFFFF, 0x7FFFFFFF))), Code::kTooManyPixels);
  EXPECT_EQ(refused(test::HeifOf(FakeHeifPart(7'000, 5'000))), Code::kDecodeLimit);
  EXPECT_EQ(refused(test::HeifOf(FakeHeifPart(5'000, 5'000, true, 10))), Code::kDecodeLimit);
  EXPECT_EQ(refused(test::HeifOf(FakeHeifPart(5'712, 4'284))), Code::kOk) << "24 MP, as phones write them";
  HeifBuilder huge_tiles;  // a small window on large tiles
  const uint32_t tile = huge_tiles.AddCoded(FakeHeifPart(8'000, 8'000));
  huge_tiles.primary = huge_tiles.AddGrid(1, 1, 64, 64, {tile});
  EXPECT_EQ(refused(huge_tiles.Build()), Code::kTooManyPixels);
  HeifBuilder many;
  const uint32_t large = many.AddCoded(FakeHeifPart(4'000, 4'000));
  many.primary = many.AddGrid(4, 4, 4'000, 4'000, std::vector<uint32_t>(16, large));
  EXPECT_EQ(refused(many.Build()), Code::kTooManyPixels);
}

TEST(HeifSupport, IsAbsentWhereNobodyEnabledIt) {
  EXPECT_FALSE(GetHeifSupport().hevc || GetHeifSupport().av1);
  const Encoded heic = test::EncodeHeif(test::MakePhoto(32, 32, 3));
  preprocess::Spec spec;
  std::vector<uint8_t> slot(spec.slot_bytes());
  DecodeJob job;
  job.encoded = heic;
  job.spec = &spec;
  job.out = slot;
  const Status status = MakeInProcessDecoder()->Decode(job).status();
  EXPECT_EQ(status.code(), Code::kUnsupportedFormat);
  EXPECT_THAT(status.message(), HasSubstr("HEIC images are decoded only with --decode=process"));
}

}  // namespace
}  // namespace photovec::decode
