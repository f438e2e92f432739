// SPDX-License-Identifier: MIT
// Hostile and broken files: each gives its error, quickly, and never pixels that the file does not have.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "decode/decode_memory.h"
#include "unit/decode/decode_testing.h"

namespace photovec::decode {
namespace {

using test::DecodeAll;
using test::Encoded;
using test::MakePhoto;
using ::testing::HasSubstr;

Encoded Png(int width, int height, bool interlaced) {
  test::PngOptions options;
  options.interlaced = interlaced;
  return test::EncodePng(width, height, MakePhoto(width, height, 3).samples, options);
}

test::JpegOptions Progressive() {
  test::JpegOptions options;
  options.progressive = true;
  return options;
}

struct Sample {
  std::string name;
  Encoded file;
};

std::vector<Sample> OneOfEachKind() {
  const test::Raster photo = MakePhoto(160, 120, 3);
  const test::Raster alpha = MakePhoto(160, 120, 4);
  test::JpegOptions restarts;
  restarts.restart_rows = 1;
  test::GifOptions interlaced;
  interlaced.interlaced = true;
  return {{"baseline JPEG", test::EncodeJpeg(photo)},
          {"progressive JPEG", test::EncodeJpeg(photo, Progressive())},
          {"JPEG with restarts", test::EncodeJpeg(photo, restarts)},
          {"CMYK JPEG", test::EncodeJpeg(alpha)},
          {"grey JPEG", test::EncodeJpeg(MakePhoto(160, 120, 1))},
          {"PNG", Png(160, 120, false)},
          {"interlaced PNG", Png(160, 120, true)},
          {"lossy WebP", test::EncodeWebp(photo, false)},
          {"lossless WebP", test::EncodeWebp(photo, true)},
          {"lossy WebP with alpha", test::EncodeWebp(alpha, false)},
          {"animated WebP", test::AnimateWebp(test::EncodeWebp(photo, false), 160, 120, 0, 0, 1)},
          {"GIF", test::EncodeGif(MakePhoto(160, 120, 1))},
          {"interlaced GIF", test::EncodeGif(MakePhoto(160, 120, 1), interlaced)}};
}

TEST(BadInput, ATruncatedFileIsNeverDecoded) {
  RgbImage image;
  for (const Sample& sample : OneOfEachKind()) {
    ASSERT_TRUE(DecodeAll(sample.file, &image).ok()) << sample.name;
    for (size_t part = 0; part < 16; ++part) {
      const size_t size = sample.file.size() * part / 16;
      const Status status = DecodeAll(test::Cut(sample.file, size), &image).status();
      EXPECT_EQ(status.code(), part == 0 ? Code::kUnsupportedFormat : Code::kImageCorrupt)
          << sample.name << " cut to " << size << ": " << status.ToString();
      if (part > 0) {
        EXPECT_THAT(status.message(), HasSubstr("truncated")) << sample.name << " cut to " << size;
      }
    }
  }
}

TEST(BadInput, EveryCutOfTheFirstBytesFails) {
  RgbImage image;
  for (const Sample& sample : OneOfEachKind()) {
    for (size_t size = 1; size < 64; ++size) {
      EXPECT_FALSE(DecodeAll(test::Cut(sample.file, size), &image).ok()) << sample.name << " first " << size;
    }
  }
}

/// The bytes behind the last pixel: JPEG: the end marker; PNG: IEND, the CRC, Adler-32; GIF: trailer,
/// terminator.
size_t BytesBehindThePixels(const std::string& name) {
  if (name.find("JPEG") != std::string::npos) return 2;
  if (name.find("PNG") != std::string::npos) return 12 + 4 + 4;
  return name.find("GIF") != std::string::npos ? 2 : 0;
}

/// Nothing that is missing behind the last pixel is missed, and no pixel is invented.
TEST(BadInput, ACutOfTheLastBytesFailsOrTakesNoPixel) {
  RgbImage whole;
  RgbImage image;
  for (const Sample& sample : OneOfEachKind()) {
    ASSERT_TRUE(DecodeAll(sample.file, &whole).ok());
    const bool gif = sample.name.find("GIF") != std::string::npos;  // may lose its last line
    for (size_t less = 1; less < 60; ++less) {
      const Status status = DecodeAll(test::Cut(sample.file, sample.file.size() - less), &image).status();
      EXPECT_TRUE(status.ok() || less > BytesBehindThePixels(sample.name)) << sample.name << " less " << less;
      for (int y = 0; status.ok() && y < whole.height() - (gif ? 1 : 0); ++y) {
        ASSERT_EQ(std::memcmp(whole.Row(y), image.Row(y), whole.stride()), 0)
            << sample.name << " less " << less << " row " << y;
      }
    }
    EXPECT_EQ(DecodeAll(test::Cut(sample.file, sample.file.size() * 9 / 10), &image).status().code(),
              Code::kImageCorrupt)
        << sample.name;
  }
}

void SetBe16(Encoded* file, size_t at, int value) {
  (*file)[at] = static_cast<uint8_t>(value >> 8);
  (*file)[at + 1] = static_cast<uint8_t>(value);
}

/// A tiny JPEG that claims a huge size.
Encoded HugeJpeg(const Encoded& jpeg, std::string_view frame_marker, int width, int height) {
  Encoded bomb = jpeg;
  const size_t frame = test::Find(bomb, frame_marker);
  SetBe16(&bomb, frame + 5, height);
  SetBe16(&bomb, frame + 7, width);
  return bomb;
}

/// IHDR of a PNG that claims a huge size, and nothing behind it that would decode.
Encoded HugePng(uint32_t side) {
  const Encoded png = Png(1, 1, false);
  const auto b = [side](int shift) { return static_cast<uint8_t>(side >> shift); };
  const Encoded header = {b(24), b(16), b(8), b(0), b(24), b(16), b(8), b(0), 1, 0, 0, 0, 0};
  Encoded out = test::Cut(png, 8);
  const Encoded chunk = test::PngChunk("IHDR", header);
  out.insert(out.end(), chunk.begin(), chunk.end());
  out.insert(out.end(), png.begin() + 33, png.end());
  return out;
}

TEST(BadInput, HugeClaimsAreRefusedBeforeAnyPixelIsAllocated) {
  const Encoded baseline = test::EncodeJpeg(MakePhoto(8, 8, 3));
  const Encoded progressive = test::EncodeJpeg(MakePhoto(8, 8, 3), Progressive());
  struct Case {
    std::string name;
    Encoded file;
    Code code;
  };
  const Case cases[] = {
      {"50,000^2 PNG", HugePng(50'000), Code::kTooManyPixels},
      {"2^31-1 PNG", HugePng(0x7FFFFFFF), Code::kTooManyPixels},
      {"65,500^2 JPEG", HugeJpeg(baseline, "\xFF\xC0", 65'500, 65'500), Code::kTooManyPixels},
      {"30,000^2 PNG", HugePng(30'000), Code::kDecodeLimit},
      {"25,000^2 progressive JPEG", HugeJpeg(progressive, "\xFF\xC2", 25'000, 25'000), Code::kDecodeLimit},
      {"7,000^2 JPEG", HugeJpeg(baseline, "\xFF\xC0", 7'000, 7'000), Code::kImageCorrupt}};
  for (const Case& one : cases) {
    RgbImage image;
    const auto start = ThreadCpuTime();
    const Status status = DecodeAll(one.file, &image).status();
    EXPECT_EQ(status.code(), one.code) << one.name << ": " << status.ToString();
    EXPECT_LT(ThreadCpuTime() - start, std::chrono::milliseconds(500)) << one.name;
    if (one.code != Code::kImageCorrupt) {
      EXPECT_EQ(image.capacity_bytes(), 0U) << one.name;
    }
  }
}

TEST(BadInput, JpegScansAreLimited) {
  test::JpegOptions options;
  options.many_scans = true;
  const Encoded many = test::EncodeJpeg(MakePhoto(32, 32, 1), options);
  RgbImage image;
  const Status status = DecodeAll(many, &image).status();
  EXPECT_EQ(status.code(), Code::kDecodeLimit);
  EXPECT_THAT(status.message(), HasSubstr("127 scans; the limit is 100"));
  Limits generous;
  generous.max_jpeg_scans = 127;
  EXPECT_TRUE(DecodeAll(many, &image, AlphaMode::kDrop, 1, generous).ok());

  const size_t last_scan = test::Find(many, "\xFF\xDA", many.size() - 40);
  ASSERT_LT(last_scan, many.size());
  const Encoded scan(many.begin() + static_cast<ptrdiff_t>(last_scan), many.end() - 2);
  Encoded repeated;
  for (int i = 0; i < 10'000; ++i) repeated.insert(repeated.end(), scan.begin(), scan.end());
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(DecodeAll(test::Insert(many, many.size() - 2, repeated), &image).status().code(),
            Code::kDecodeLimit);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(500));
}

TEST(BadInput, TheScanLimitHoldsEvenWhenTheProbeWasFooled) {
  test::JpegOptions options;
  options.many_scans = true;
  const Encoded many = test::EncodeJpeg(MakePhoto(32, 32, 1), options);
  Result<ImageHeader> header = ProbeHeader(many);
  ASSERT_TRUE(header.ok());
  header->jpeg.scans = 1;
  PixelRequest request;
  request.encoded = many;
  request.header = &header.value();
  CodecScratch scratch;
  RgbImage image;
  EXPECT_EQ(DecodePixels(request, &scratch, &image).code(), Code::kDecodeLimit);
}

TEST(BadInput, EntropyWorkOfAProgressiveJpegIsLimited) {
  ImageHeader header;
  header.format = Format::kJpeg;
  header.width = header.height = 4'000;
  header.jpeg.multi_scan = true;
  header.jpeg.scans = 90;
  header.jpeg.block_visits = 200'000'000;
  const Status status = CheckHeader(header, 1, AlphaMode::kDrop, {});
  EXPECT_EQ(status.code(), Code::kDecodeLimit);
  EXPECT_THAT(status.message(), HasSubstr("in 90 scans of this kind may take 101 s of CPU time"));
  EXPECT_THAT(status.message(), HasSubstr("--max-decode-cpu"));
  header.jpeg.block_visits = 150'000'000;
  EXPECT_TRUE(CheckHeader(header, 1, AlphaMode::kDrop, {}).ok());
}

TEST(Limits, HoldExactlyAtTheirBorders) {
  const Encoded png = Png(40, 30, false);
  RgbImage image;
  struct Case {
    std::function<void(Limits*)> tighten;
    Code code;
  };
  const Case cases[] = {
      {[](Limits* l) { l->max_side = 40; }, Code::kOk},
      {[](Limits* l) { l->max_side = 39; }, Code::kTooManyPixels},
      {[](Limits* l) { l->max_pixels = 1200; }, Code::kOk},
      {[](Limits* l) { l->max_pixels = 1199; }, Code::kTooManyPixels},
      {[&](Limits* l) { l->max_file_bytes = static_cast<int64_t>(png.size()); }, Code::kOk},
      {[&](Limits* l) { l->max_file_bytes = static_cast<int64_t>(png.size()) - 1; }, Code::kBodyTooLarge},
      {[](Limits* l) { l->max_decoder_bytes = 1000; }, Code::kDecodeLimit}};
  for (const Case& one : cases) {
    Limits limits;
    one.tighten(&limits);
    EXPECT_EQ(DecodeAll(png, &image, AlphaMode::kDrop, 1, limits).status().code(), one.code);
  }
}

ImageHeader HeaderOf(Format format, int width, int height) {
  ImageHeader header;
  header.format = format;
  header.width = width;
  header.height = height;
  header.png = {8, 2, false};
  return header;
}

TEST(Limits, LargePhotosOfEveryKindFitIntoAMachineOfFourGibibytes) {
  Limits limits;
  limits.max_decoder_bytes = DecodeMemory((int64_t{4} << 30) / 3, 2).largest_bytes();
  const auto fits = [&](const ImageHeader& header, int scale_denominator) {
    return CheckHeader(header, scale_denominator, AlphaMode::kDrop, limits).ToString();
  };
  ImageHeader samsung = HeaderOf(Format::kJpeg, 16'320, 12'240);
  EXPECT_EQ(fits(samsung, 8), "ok");
  EXPECT_EQ(fits(samsung, 1), "ok") << "exact";
  samsung.jpeg.multi_scan = samsung.jpeg.progressive = true;
  samsung.jpeg.scans = 10;
  samsung.jpeg.coefficient_bytes = 200'000'000LL * 3;  // 4:2:0
  samsung.jpeg.block_visits = 20'000'000;
  EXPECT_EQ(fits(samsung, 8), "ok");
  EXPECT_EQ(fits(HeaderOf(Format::kPng, 9'504, 6'336), 1), "ok");
  EXPECT_EQ(fits(HeaderOf(Format::kPng, 790, 36'861), 1), "ok");
  EXPECT_EQ(fits(HeaderOf(Format::kPng, 20'000, 64), 1), "ok");
  EXPECT_EQ(fits(HeaderOf(Format::kJpeg, 790, 36'861), 1), "ok");
  ImageHeader iphone = HeaderOf(Format::kHeif, 16'382, 3'762);
  iphone.heif.subsampled = true;
  EXPECT_EQ(fits(iphone, 1), "ok") << "a panorama in one piece";
  ImageHeader sony = HeaderOf(Format::kHeif, 8'640, 5'760);
  sony.heif.bit_depth = 10;
  EXPECT_EQ(fits(sony, 1), "ok") << "50 MP of 10 bits";
}

TEST(Limits, HeadersThatPromiseTooMuchAreRefusedWithTheFlag) {
  const auto refusal = [](const ImageHeader& header) {
    return CheckHeader(header, 1, AlphaMode::kDrop, {}).ToString();
  };
  EXPECT_THAT(refusal(HeaderOf(Format::kPng, 65'535, 65'535)), HasSubstr("(--max-pixels)"));
  EXPECT_THAT(refusal(HeaderOf(Format::kPng, 65'536, 1)), HasSubstr("(--max-side)"));
  EXPECT_THAT(refusal(HeaderOf(Format::kPng, 30'000, 30'000)),
              HasSubstr("(--max-decoder-bytes, --decode-memory)"));
  EXPECT_THAT(refusal(HeaderOf(Format::kGif, 60'000, 16'000)), HasSubstr("--decode-memory"));
  Limits patient;
  patient.max_decoder_bytes = int64_t{8} << 30;
  EXPECT_THAT(CheckHeader(HeaderOf(Format::kPng, 31'000, 31'000), 1, AlphaMode::kDrop, patient).ToString(),
              HasSubstr("may take 96 s of CPU time; the limit is 90 s (--max-decode-cpu)"));
}

}  // namespace
}  // namespace photovec::decode
