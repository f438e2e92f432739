// SPDX-License-Identifier: MIT
// The formats of photovec's own codecs and of libtiff through the real worker: nothing forbidden is called.
#include <string>

#include "testing/test_images_simple.h"
#include "unit/decode/sandbox/pool_fixture.h"

namespace photovec::decode::testing {
namespace {

TEST(FormatsInWorkers, AreDecodedAndNobodyDies) {
  DecoderPoolOptions options = PoolOptions(1);
  options.name_violations = true;
  const auto pool = MakePool(options);
  const auto decoder = pool->MakeDecoder();
  const test::Raster colour = test::MakePhoto(90, 70, 3);
  const preprocess::Spec squash = preprocess::SquashVariant(SmallSpec());
  const auto wanted =
      DecodeWith(*MakeInProcessDecoder(), test::EncodePng(90, 70, colour.samples, {}), squash).pixels;
  test::TiffOptions tiled;
  tiled.tile = 32;
  tiled.big_tiff = true;
  test::TiffOptions packed;
  packed.packbits = true;
  packed.planar = true;
  const test::Encoded files[] = {test::EncodeTiff(colour),
                                 test::EncodeTiff(colour, tiled),
                                 test::EncodeTiff(colour, packed),
                                 test::EncodeBmp(colour, 24),
                                 test::EncodePnm(colour, 6),
                                 test::EncodeQoi(colour),
                                 test::WrapIco({test::EncodePng(90, 70, colour.samples, {})}, {90}, 24)};
  for (const test::Encoded& file : files) {
    const Answer answer = DecodeWith(*decoder, file, squash);
    ASSERT_TRUE(answer.report.ok()) << answer.report.status().ToString();
    EXPECT_EQ(answer.pixels, wanted) << FormatName(answer.report->format);
  }
  for (const test::Encoded& file : files) {
    const test::Encoded half = test::Cut(file, file.size() / 2);
    EXPECT_EQ(DecodeWith(*decoder, half).report.status().code(), Code::kImageCorrupt) << file.size();
  }
  for (const int64_t deaths : pool->stats().deaths) EXPECT_EQ(deaths, 0);
}

}  // namespace
}  // namespace photovec::decode::testing
