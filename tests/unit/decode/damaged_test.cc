// SPDX-License-Identifier: MIT
// Photos whose end is wrong, which are whole, and photos that are damaged inside: one answer whatever their
// orientation, the scaling and whoever decodes them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "unit/decode/decode_testing.h"

namespace photovec::decode {
namespace {

using test::Cut;
using test::Encoded;
using test::MakePhoto;
using ::testing::HasSubstr;

struct DamagedSample {
  std::string name;
  Encoded file;
};

struct Way {
  DamagedMode damaged = DamagedMode::kStrict;
  JpegScaling scaling = JpegScaling::kExact;
  JpegChoice choice = JpegChoice::kAuto;
};

std::vector<Way> Ways(DamagedMode damaged) {
  std::vector<Way> ways;
  for (const JpegScaling scaling : {JpegScaling::kExact, JpegScaling::kFast}) {
    for (const JpegChoice choice : {JpegChoice::kAuto, JpegChoice::kLibjpegTurbo}) {
      ways.push_back({damaged, scaling, choice});
    }
  }
  return ways;
}

struct Answer {
  Status status;
  DecodeReport report;
  std::vector<uint8_t> slot;
};

/// With a crop that leaves out a third of the rows of a portrait photo.
Answer Decode(const Encoded& file, const Way& way) {
  static const std::unique_ptr<Decoder> decoder = MakeInProcessDecoder();
  preprocess::Spec spec;
  spec.resize_short = spec.crop = 40;
  Answer answer;
  answer.slot.resize(spec.slot_bytes());
  DecodeJob job;
  job.encoded = file;
  job.spec = &spec;
  job.options.damaged = way.damaged;
  job.options.jpeg_scaling = way.scaling;
  job.options.jpeg_decoder = way.choice;
  job.out = answer.slot;
  const Result<DecodeReport> report = decoder->Decode(job);
  answer.status = report.status();
  if (report.ok()) answer.report = *report;
  return answer;
}

Encoded Append(const Encoded& file, const Encoded& more) { return test::Insert(file, file.size(), more); }

/// Bytes that hold markers of all kinds.
Encoded Noise(size_t size) {
  Encoded bytes(size);
  uint32_t state = 7;
  for (uint8_t& byte : bytes) {
    state = state * 1664525U + 1013904223U;
    byte = static_cast<uint8_t>(state >> 24);
  }
  return bytes;
}

test::JpegOptions JpegOf(std::string_view kind) {
  test::JpegOptions options;
  options.progressive = kind == "progressive";
  options.sequential_multi_scan = kind == "three scans";
  options.restart_rows = kind == "restarts" ? 1 : 0;
  options.h_samp = kind == "4:1:1" ? 4 : 2;
  options.v_samp = kind == "4:1:1" ? 1 : 2;
  options.arithmetic = kind == "arithmetic";
  return options;
}

constexpr std::array kJpegs = {"plain", "progressive", "three scans", "restarts", "4:1:1", "arithmetic"};

Encoded PngOf(int width, int height, bool interlaced) {
  test::PngOptions options;
  options.interlaced = interlaced;
  return test::EncodePng(width, height, MakePhoto(width, height, 3).samples, options);
}

constexpr std::array<uint8_t, 12> kSamsung = {0, 0, 0x01, 0x0A, 0x0E, 0, 0, 0, 'I', 'm', 'a', 'g'};

/// Each with the whole file first.
std::vector<std::vector<DamagedSample>> WithAWrongEnd(int width, int height) {
  const test::Raster photo = MakePhoto(width, height, 3);
  std::vector<std::vector<DamagedSample>> kinds;
  for (const std::string kind : kJpegs) {
    if (kind == "arithmetic") continue;  // nobody can tell whether its last row is there
    const Encoded jpeg = test::EncodeJpeg(photo, JpegOf(kind));
    const Encoded cut = Cut(jpeg, jpeg.size() - 2);
    const Encoded samsung = Append(cut, Encoded(kSamsung.begin(), kSamsung.end()));
    kinds.push_back({{kind + " JPEG", jpeg},
                     {kind + " JPEG without its end", cut},
                     {kind + " JPEG with zeros for its end", Append(cut, Encoded(400))},
                     {kind + " JPEG with half of its end", Cut(jpeg, jpeg.size() - 1)},
                     {kind + " JPEG with Samsung's trailer", Append(samsung, Noise(50'000))},
                     {kind + " JPEG with a marker that does not exist", Append(samsung, {0xFF, 0x44, 9, 9})},
                     {kind + " JPEG with anything behind its end", Append(jpeg, Noise(5'000))}});
  }
  for (const bool interlaced : {false, true}) {
    const Encoded png = PngOf(width, height, interlaced);
    const std::string name = interlaced ? "interlaced PNG" : "PNG";
    Encoded bad_end = png;
    bad_end.back() ^= 1;
    kinds.push_back({{name, png},
                     {name + " without IEND", Cut(png, png.size() - 12)},
                     {name + " with a part of IEND", Cut(png, png.size() - 5)},
                     {name + " with a bad IEND", bad_end},
                     {name + " without the checksum of its data", Cut(png, png.size() - 16)},
                     {name + " without Adler-32", Cut(png, png.size() - 20)},
                     {name + " with anything behind it", Append(Cut(png, png.size() - 12), Noise(99))}});
  }
  const Encoded gif = test::EncodeGif(MakePhoto(width, height, 1));
  kinds.push_back({{"GIF", gif},
                   {"GIF without a trailer", Cut(gif, gif.size() - 1)},
                   {"GIF without an end", Cut(gif, gif.size() - 2)},
                   {"GIF with anything behind it", Append(gif, Noise(99))}});
  for (const bool lossless : {false, true}) {
    const Encoded webp = test::EncodeWebp(photo, lossless);
    const std::string name = lossless ? "lossless WebP" : "WebP";
    Encoded short_size = webp;
    short_size[5] = static_cast<uint8_t>(short_size[5] - 1);
    Encoded long_size = webp;
    long_size[6] = static_cast<uint8_t>(long_size[6] + 1);
    kinds.push_back({{name, webp},
                     {name + " of a size that is too small", short_size},
                     {name + " of a size that is too large", long_size},
                     {name + " with anything behind it", Append(webp, Noise(99))}});
  }
  return kinds;
}

TEST(Damaged, AWrongEndTakesNothingAway) {
  for (const auto& [width, height] : {std::pair{240, 100}, {100, 240}}) {
    for (const std::vector<DamagedSample>& kind : WithAWrongEnd(width, height)) {
      for (const DamagedMode damaged : {DamagedMode::kStrict, DamagedMode::kTolerant}) {
        for (const Way& way : Ways(damaged)) {
          const Answer whole = Decode(kind[0].file, way);
          ASSERT_TRUE(whole.status.ok()) << kind[0].name;
          for (const DamagedSample& sample : kind) {
            const Answer answer = Decode(sample.file, way);
            EXPECT_TRUE(answer.status.ok()) << sample.name << ": " << answer.status.ToString();
            EXPECT_FALSE(answer.report.damaged) << sample.name;
            EXPECT_EQ(answer.slot, whole.slot) << sample.name;
          }
        }
      }
    }
  }
}

TEST(Damaged, AGifMayLoseItsLastLine) {
  const Encoded gif = test::EncodeGif(MakePhoto(100, 90, 1));
  for (size_t less = 3; less < 70; ++less) {
    const Answer answer = Decode(Cut(gif, gif.size() - less), {});
    EXPECT_TRUE(answer.status.ok()) << less << ": " << answer.status.ToString();
  }
  EXPECT_EQ(Decode(Cut(gif, gif.size() - 500), {}).status.code(), Code::kImageCorrupt);
}

/// The n-th restart marker.
size_t FindRestart(const Encoded& jpeg, int n) {
  size_t at = 0;
  for (int i = 0; i <= n; ++i)
    at = test::Find(jpeg, std::string{'\xFF', static_cast<char>(0xD0 + i % 8)}, at + 1);
  return at;
}

Encoded Without(const Encoded& file, size_t at, size_t count) {
  Encoded out = file;
  out.erase(out.begin() + static_cast<ptrdiff_t>(at), out.begin() + static_cast<ptrdiff_t>(at + count));
  return out;
}

std::vector<DamagedSample> DamagedInside(int width, int height) {
  const test::Raster photo = MakePhoto(width, height, 3);
  std::vector<DamagedSample> samples;
  const auto cut = [&](const std::string& name, const Encoded& file) {
    for (const size_t percent : {70, 85, 95})
      samples.push_back(
          {name + " cut at " + std::to_string(percent) + "%", Cut(file, file.size() * percent / 100)});
  };
  for (const std::string kind : kJpegs) {
    if (kind != "three scans") cut(kind + " JPEG", test::EncodeJpeg(photo, JpegOf(kind)));
  }
  const Encoded restarts = test::EncodeJpeg(photo, JpegOf("restarts"));
  for (const int n : {1, 4}) {
    const size_t at = FindRestart(restarts, n);
    Encoded wrong = restarts;
    wrong[at + 1] = static_cast<uint8_t>(0xD0 + (n + 3) % 8);
    Encoded zeros = restarts;
    std::fill(zeros.begin() + static_cast<ptrdiff_t>(at + 2),
              zeros.begin() + static_cast<ptrdiff_t>(FindRestart(restarts, n + 1)), uint8_t{0});
    samples.push_back({"JPEG without restart marker " + std::to_string(n), Without(restarts, at, 2)});
    samples.push_back({"JPEG with a wrong restart marker " + std::to_string(n), wrong});
    samples.push_back({"JPEG with zeros behind restart marker " + std::to_string(n), zeros});
  }
  for (const std::string kind : {"plain", "progressive"}) {
    Encoded half = test::EncodeJpeg(photo, JpegOf(kind));
    std::fill(half.begin() + static_cast<ptrdiff_t>(half.size() * 3 / 4), half.end(), uint8_t{0});
    samples.push_back({kind + " JPEG whose last quarter is zeros", half});
  }
  const Encoded png = PngOf(width, height, false);
  cut("PNG", png);
  Encoded checksum = png;
  checksum[png.size() - 13] ^= 1;
  Encoded stream = png;
  std::fill_n(stream.begin() + static_cast<ptrdiff_t>(png.size() * 3 / 4), 40, uint8_t{0});
  samples.push_back({"PNG with a bad checksum", checksum});
  samples.push_back({"PNG with wrong data", stream});
  samples.push_back({"interlaced PNG cut", Cut(PngOf(width, height, true), png.size() * 9 / 10)});
  cut("GIF", test::EncodeGif(MakePhoto(width, height, 1)));
  for (const bool lossless : {false, true}) cut("WebP", test::EncodeWebp(photo, lossless));
  return samples;
}

TEST(Damaged, DamageInsideHasOneAnswer) {
  for (const auto& [width, height] : {std::pair{240, 160}, {160, 240}}) {
    for (const DamagedSample& sample : DamagedInside(width, height)) {
      for (const Way& way : Ways(DamagedMode::kStrict)) {
        const Answer answer = Decode(sample.file, way);
        EXPECT_EQ(answer.status.code(), Code::kImageCorrupt) << sample.name;
        EXPECT_THAT(answer.status.message(), HasSubstr(": --damaged=tolerant reads it")) << sample.name;
      }
      const Answer first = Decode(sample.file, Ways(DamagedMode::kTolerant)[0]);
      for (const Way& way : Ways(DamagedMode::kTolerant)) {
        const Answer answer = Decode(sample.file, way);
        ASSERT_TRUE(answer.status.ok()) << sample.name << ": " << answer.status.ToString();
        EXPECT_TRUE(answer.report.damaged) << sample.name;
        EXPECT_GE(answer.report.rows_ok * 2, height) << sample.name;
        EXPECT_LE(answer.report.rows_ok, height) << sample.name;
        EXPECT_EQ(answer.report.rows_ok, first.report.rows_ok) << sample.name;
        if (way.scaling == JpegScaling::kExact) {
          EXPECT_EQ(answer.slot, first.slot) << sample.name;
        }
      }
    }
  }
}

TEST(Damaged, HalfOfTheRowsDecides) {
  const Encoded jpeg = test::EncodeJpeg(MakePhoto(160, 320, 3));
  int read = 0;
  int refused = 0;
  for (size_t percent = 10; percent < 100; percent += 3) {
    for (const Way& way : Ways(DamagedMode::kTolerant)) {
      const Answer answer = Decode(Cut(jpeg, jpeg.size() * percent / 100), way);
      if (answer.status.ok()) {
        ++read;
        EXPECT_GE(answer.report.rows_ok, 160) << percent;
      } else {
        ++refused;
        EXPECT_THAT(answer.status.message(), HasSubstr("truncated"));
        EXPECT_THAT(answer.status.message(), HasSubstr("--damaged=tolerant asks for half of them"))
            << percent;
        EXPECT_LT(percent, 60U);
      }
    }
  }
  EXPECT_GT(read, 40);
  EXPECT_GT(refused, 40);
}

/// Restart markers confine damage: all rows but those count.
TEST(Damaged, RowsBehindARestartMarkerAreSoundAgain) {
  const Encoded jpeg = test::EncodeJpeg(MakePhoto(160, 320, 3), JpegOf("restarts"));
  const Answer answer = Decode(Without(jpeg, FindRestart(jpeg, 2), 2), {DamagedMode::kTolerant});
  ASSERT_TRUE(answer.status.ok()) << answer.status.ToString();
  EXPECT_EQ(answer.report.rows_ok, 320 - 16);
}

/// Decodes into memory full of `poison`.
RgbImage DecodePoisoned(const Encoded& file, uint8_t poison) {
  const Result<ImageHeader> header = ProbeHeader(file);
  PixelRequest request;
  request.encoded = file;
  request.header = &header.value();
  request.damaged = DamagedMode::kTolerant;
  CodecScratch scratch;
  scratch.bytes.assign(size_t{1} << 20, poison);
  RgbImage image;
  image.Reset(header->width, header->height);
  std::memset(image.data(), poison, image.stride() * static_cast<size_t>(image.height()));
  EXPECT_TRUE(DecodePixels(request, &scratch, &image).ok());
  return image;
}

TEST(Damaged, MissingRowsAreAsTheReferencesLeaveThem) {
  const test::Raster photo = MakePhoto(160, 160, 3);
  const auto palette = test::GifPalette(8);
  struct Case {
    std::string name;
    Encoded file;
    std::vector<uint8_t> fill;
  };
  const Case cases[] = {
      {"JPEG", test::EncodeJpeg(photo), {128, 128, 128}},
      {"PNG", PngOf(160, 160, false), {0, 0, 0}},
      {"GIF", test::EncodeGif(MakePhoto(160, 160, 1)), {palette[0], palette[1], palette[2]}},
      {"WebP", test::EncodeWebp(photo, false), {0, 0, 0}},
      {"lossless WebP", test::EncodeWebp(photo, true), {0, 0, 0}}};
  for (const Case& one : cases) {
    const Encoded file = Cut(one.file, one.file.size() * 8 / 10);
    RgbImage image = DecodePoisoned(file, 0x00);
    RgbImage again = DecodePoisoned(file, 0xA5);
    EXPECT_EQ(std::memcmp(image.data(), again.data(), image.stride() * 160), 0) << one.name;
    for (int x = 0; x < 160; ++x) EXPECT_EQ(test::Pixel(image, x, 159), one.fill) << one.name;
  }
}

}  // namespace
}  // namespace photovec::decode
