// SPDX-License-Identifier: MIT
#include "decode/color/icc_profile.h"

#include <gtest/gtest.h>

#include "testing/test_images_icc.h"

namespace photovec::decode {
namespace {

using test::Encoded;
using test::IccKind;

struct Found {
  bool found = false;
  Encoded bytes;
};

Found FindIn(const Encoded& file, Format format) {
  Encoded storage;
  ImageHeader header;
  header.format = format;
  const EmbeddedIcc icc = FindIcc(file, header, &storage);
  return {icc.found, {icc.bytes.begin(), icc.bytes.end()}};
}

Encoded Jpeg() { return test::EncodeJpeg(test::MakePhoto(40, 30, 3)); }
Encoded Png() { return test::EncodePng(40, 30, test::MakePhoto(40, 30, 3).samples, {}); }
Encoded P3() { return test::MakeIcc(IccKind::kDisplayP3); }

void ExpectNone(const Encoded& file, Format format) {
  const Found icc = FindIn(file, format);
  EXPECT_FALSE(icc.found);
  EXPECT_TRUE(icc.bytes.empty());
}
void ExpectBroken(const Encoded& file, Format format) {
  const Found icc = FindIn(file, format);
  EXPECT_TRUE(icc.found);
  EXPECT_TRUE(icc.bytes.empty());
}
void ExpectBytes(const Encoded& file, Format format, const Encoded& profile) {
  const Found icc = FindIn(file, format);
  EXPECT_TRUE(icc.found);
  EXPECT_EQ(icc.bytes, profile);
}

TEST(IccJpeg, OneChunkAndNone) {
  ExpectNone(Jpeg(), Format::kJpeg);
  ExpectBytes(test::JpegWithIcc(Jpeg(), P3()), Format::kJpeg, P3());
  const Encoded exif = test::JpegWithExif(test::JpegWithIcc(Jpeg(), P3()), test::ExifBlock(6));
  ExpectBytes(exif, Format::kJpeg, P3());
}

TEST(IccJpeg, ChunksComeInAnyOrder) {
  const Encoded large = test::PadIcc(P3(), 200'000);
  ExpectBytes(test::JpegWithIcc(Jpeg(), large, 4), Format::kJpeg, large);
  ExpectBytes(test::JpegWithIcc(Jpeg(), large, 4, {3, 1, 4, 2}), Format::kJpeg, large);
}

TEST(IccJpeg, MissingRepeatedOrContradictingChunksAreNoProfile) {
  ExpectBroken(test::JpegWithIcc(Jpeg(), P3(), 3, {1, 3}), Format::kJpeg);
  ExpectBroken(test::JpegWithIcc(Jpeg(), P3(), 2, {1, 2, 2}), Format::kJpeg);
  const Encoded chunk(50, 1);
  for (const auto& [number, count] : {std::pair{0, 1}, {2, 1}, {1, 0}, {0, 0}}) {
    ExpectBroken(test::Insert(Jpeg(), 2, test::IccSegment(chunk, number, count)), Format::kJpeg);
  }
  // Two chunks that name different counts.
  const Encoded first = test::Insert(Jpeg(), 2, test::IccSegment(chunk, 1, 2));
  ExpectBroken(test::Insert(first, 2, test::IccSegment(chunk, 2, 3)), Format::kJpeg);
  // A segment that ends behind its mark.
  Encoded cut = test::IccSegment({}, 1, 1);
  cut.resize(cut.size() - 2);
  cut[3] = static_cast<uint8_t>(cut[3] - 2);
  ExpectBroken(test::Insert(Jpeg(), 2, cut), Format::kJpeg);
}

TEST(IccJpeg, ChunksBehindTheFirstScanDoNotCount) {
  const Encoded jpeg = Jpeg();
  const Encoded segment = test::IccSegment(P3(), 1, 1);
  ExpectNone(test::Insert(jpeg, jpeg.size() - 2, segment), Format::kJpeg);
}

TEST(IccJpeg, OversizedIsNoProfile) {
  ExpectBytes(test::JpegWithIcc(Jpeg(), test::PadIcc(P3(), kMaxIccBytes), 80), Format::kJpeg,
              test::PadIcc(P3(), kMaxIccBytes));
  ExpectBroken(test::JpegWithIcc(Jpeg(), test::PadIcc(P3(), kMaxIccBytes + 1), 80), Format::kJpeg);
}

TEST(IccPng, IsInflated) {
  ExpectNone(Png(), Format::kPng);
  ExpectBytes(test::PngWithIcc(Png(), P3()), Format::kPng, P3());
  const Encoded large = test::PadIcc(P3(), 300'000);
  ExpectBytes(test::PngWithIcc(Png(), large), Format::kPng, large);
}

TEST(IccPng, ABombIsBounded) {
  const Encoded fits = test::PadIcc(P3(), kMaxIccBytes);
  ExpectBytes(test::PngWithIcc(Png(), fits), Format::kPng, fits);
  Encoded storage;
  for (const size_t size : {kMaxIccBytes + 1, size_t{200} << 20}) {
    const Encoded bomb = test::PngWithIcc(Png(), Encoded(size));
    ImageHeader header;
    header.format = Format::kPng;
    const EmbeddedIcc icc = FindIcc(bomb, header, &storage);
    EXPECT_TRUE(icc.found);
    EXPECT_TRUE(icc.bytes.empty());
    EXPECT_LE(storage.capacity(), 2 * kMaxIccBytes);
  }
}

TEST(IccPng, AnSrgbChunkIsTheLastWord) {
  const Encoded intent = {0};
  const Encoded chunk = test::PngChunk("sRGB", intent);
  ExpectNone(test::Insert(test::PngWithIcc(Png(), P3()), 33, chunk), Format::kPng);
  const Encoded with = test::PngWithIcc(Png(), P3());
  ExpectNone(test::Insert(with, test::Find(with, "IDAT") - 4, chunk), Format::kPng);
}

TEST(IccPng, BrokenChunksAreNoProfile) {
  const Encoded good = test::PngWithIcc(Png(), P3());
  const size_t at = test::Find(good, "iCCP");
  Encoded wrong_crc = good;
  wrong_crc[at + 30] ^= 1;
  ExpectBroken(wrong_crc, Format::kPng);
  const Encoded data = test::IccpData(P3());
  const auto with = [&](const Encoded& iccp) {
    return test::Insert(Png(), 33, test::PngChunk("iCCP", iccp));
  };
  ExpectBytes(with(data), Format::kPng, P3());
  ExpectBroken(with({}), Format::kPng);
  ExpectBroken(with({'n', 0}), Format::kPng);
  ExpectBroken(with(test::Cut(data, data.size() / 2)), Format::kPng);
  Encoded method = data;
  method[6] = 1;
  ExpectBroken(with(method), Format::kPng);
  Encoded no_name(data.begin() + 5, data.end());
  ExpectBroken(with(no_name), Format::kPng);
  Encoded damaged = data;
  damaged[damaged.size() - 1] ^= 0xFF;  // zlib's own checksum
  ExpectBroken(with(damaged), Format::kPng);
}

TEST(IccWebp, LiesBetweenVp8xAndThePixels) {
  const Encoded still = test::EncodeWebp(test::MakePhoto(40, 30, 3), false);
  ExpectNone(still, Format::kWebp);
  ExpectNone(test::WebpWithExif(still, 40, 30, test::ExifBlock(3)), Format::kWebp);
  const Encoded with = test::WebpWithIcc(still, 40, 30, P3());
  ExpectBytes(with, Format::kWebp, P3());
  Encoded unannounced = with;
  unannounced[20] = 0;
  ExpectNone(unannounced, Format::kWebp);
  ExpectBroken(test::Cut(with, 60), Format::kWebp);
  ExpectBroken(test::WebpWithIcc(still, 40, 30, {}), Format::kWebp);
}

TEST(IccAnyFormat, EveryPrefixIsSafe) {
  const Encoded still = test::EncodeWebp(test::MakePhoto(20, 20, 3), true);
  const Encoded profile = P3();
  for (const auto& [file, format] : {std::pair{test::JpegWithIcc(Jpeg(), P3(), 3), Format::kJpeg},
                                     {test::PngWithIcc(Png(), P3()), Format::kPng},
                                     {test::WebpWithIcc(still, 20, 20, P3()), Format::kWebp}}) {
    for (size_t size = 0; size < file.size(); ++size) {
      const Found icc = FindIn(test::Cut(file, size), format);
      EXPECT_TRUE(icc.bytes.empty() || icc.bytes == profile);
    }
  }
  EXPECT_FALSE(FindIn(test::EncodeGif(test::MakePhoto(9, 9, 1)), Format::kGif).found);
}

}  // namespace
}  // namespace photovec::decode
