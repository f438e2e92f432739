// SPDX-License-Identifier: MIT
// HEIC and AVIF through the real worker: right pixels, turned once, and nothing forbidden is called.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "decode/limits.h"
#include "testing/heif_builder.h"
#include "unit/decode/sandbox/pool_fixture.h"

namespace photovec::decode::testing {
namespace {

using test::HeifBuilder;
using test::HeifOptions;
using test::Raster;
using ::testing::HasSubstr;

preprocess::Spec Squash() { return preprocess::SquashVariant(SmallSpec()); }

/// A smooth picture of which every corner is different, so that a wrong turn cannot pass.
Raster Corners(int width, int height) {
  Raster raster{width, height, 3, {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      raster.samples.push_back(static_cast<uint8_t>(40 + 170 * x / width));
      raster.samples.push_back(static_cast<uint8_t>(40 + 170 * y / height));
      raster.samples.push_back(static_cast<uint8_t>(x < width / 3 && y < height / 4 ? 200 : 60));
    }
  }
  return raster;
}

template <typename From>
Raster Remap(int width, int height, const Raster& raster, const From& from) {
  Raster out{width, height, 3, {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const auto [from_x, from_y] = from(x, y);
      out.samples.insert(out.samples.end(), raster.At(from_x, from_y), raster.At(from_x, from_y) + 3);
    }
  }
  return out;
}

Raster TurnedLeft(const Raster& r) {
  return Remap(r.height, r.width, r, [&](int x, int y) { return std::pair(r.width - 1 - y, x); });
}
Raster Window(const Raster& r, int left, int top, int width, int height) {
  return Remap(width, height, r, [&](int x, int y) { return std::pair(left + x, top + y); });
}

/// What a PNG of the same pixels becomes.
std::vector<uint8_t> Wanted(const Raster& raster) {
  const Encoded png = test::EncodePng(raster.width, raster.height, raster.samples, {});
  return DecodeWith(*MakeInProcessDecoder(), png, Squash()).pixels;
}

double MeanError(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b) {
  if (a.size() != b.size()) return 255;
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += std::abs(a[i] - b[i]);
  return sum / static_cast<double>(a.size());
}

class Heif : public ::testing::Test {
 protected:
  void SetUp() override {
    DecoderPoolOptions options = PoolOptions(1);
    options.name_violations = true;
    pool_ = MakePool(options);
    decoder_ = pool_->MakeDecoder();
    ASSERT_EQ(pool_->libraries()[0].formats, Libraries()[0].formats) << pool_->libraries()[0].detail;
    ASSERT_TRUE(test::HaveHeifEncoder(false) && test::HaveHeifEncoder(true));
  }
  void TearDown() override {
    for (const int64_t deaths : pool_->stats().deaths) EXPECT_EQ(deaths, 0);
  }

  void ExpectShows(const Encoded& file, const Raster& raster, const std::string& what) {
    const Answer answer = DecodeWith(*decoder_, file, Squash());
    ASSERT_TRUE(answer.report.ok()) << what << ": " << answer.report.status().ToString();
    EXPECT_EQ(answer.report->width, raster.width) << what;
    EXPECT_EQ(answer.report->height, raster.height) << what;
    EXPECT_EQ(answer.report->orientation, 1) << what;
    EXPECT_LT(MeanError(answer.pixels, Wanted(raster)), 4.0) << what;
  }
  void ExpectRefused(const Encoded& file, Code code, const std::string& words) {
    const Status status = DecodeWith(*decoder_, file).report.status();
    EXPECT_EQ(status.code(), code) << status.ToString();
    EXPECT_THAT(status.message(), HasSubstr(words));
  }

  std::unique_ptr<DecoderPool> pool_;
  std::unique_ptr<Decoder> decoder_;
};

TEST_F(Heif, EveryKindShowsItsPixels) {
  const Raster picture = Corners(160, 120);
  for (const bool av1 : {false, true}) {
    for (const bool chroma_444 : {false, true}) {
      HeifOptions options;
      options.av1 = av1;
      options.chroma_444 = chroma_444;
      ExpectShows(test::EncodeHeif(picture, options), picture, av1 ? "AVIF" : "HEIC");
      ExpectShows(test::HeifOf(test::EncodeHeifPart(picture, options)), picture, "rebuilt");
    }
  }
  HeifOptions deep;
  deep.bit_depth = 10;
  deep.chroma_444 = true;
  ExpectShows(test::EncodeHeif(picture, deep), picture, "10 bits");
}

TEST_F(Heif, ATurnIsMadeOnce) {
  const Raster picture = Corners(160, 96);
  const test::HeifPart part = test::EncodeHeifPart(picture);
  Raster turned = picture;
  for (int quarters = 1; quarters < 4; ++quarters) {
    turned = TurnedLeft(turned);
    HeifBuilder builder;
    builder.AddRotation(builder.AddCoded(part), quarters);
    // The same turn in EXIF, as phones write it, counts for nothing.
    Encoded exif(4, 0);
    const Encoded block = test::ExifBlock(quarters == 2 ? 3 : quarters == 1 ? 8 : 6);
    exif.insert(exif.end(), block.begin(), block.end());
    builder.Refer("cdsc", builder.AddItem("Exif", exif), {1});
    ExpectShows(builder.Build(), turned, "irot " + std::to_string(quarters));
  }
}

TEST_F(Heif, MirrorsAndCrops) {
  const Raster picture = Corners(160, 96);
  const test::HeifPart part = test::EncodeHeifPart(picture);
  for (const int axis : {0, 1}) {
    HeifBuilder builder;
    builder.AddMirror(builder.AddCoded(part), axis);
    const Answer answer = DecodeWith(*decoder_, builder.Build(), Squash());
    ASSERT_TRUE(answer.report.ok()) << answer.report.status().ToString();
    const Raster across = Remap(160, 96, picture, [](int x, int y) { return std::pair(159 - x, y); });
    const Raster down = Remap(160, 96, picture, [](int x, int y) { return std::pair(x, 95 - y); });
    // libheif before 1.16 reads the axis as the draft had it, the other way round.
    EXPECT_LT(MeanError(answer.pixels, Wanted(axis == 0 ? down : across)), 4.0) << axis;
    EXPECT_GT(MeanError(answer.pixels, Wanted(picture)), 10.0) << axis;
  }
  HeifBuilder cropped;
  cropped.AddCrop(cropped.AddCoded(part), 80, 60);
  ExpectShows(cropped.Build(), Window(picture, 40, 18, 80, 60), "clap");
}

TEST_F(Heif, GridsAreJoinedAndThumbnailsLeftAlone) {
  const Raster picture = Corners(180, 120);
  const Raster padded =
      Remap(192, 128, picture, [](int x, int y) { return std::pair(std::min(x, 179), std::min(y, 119)); });
  for (const bool av1 : {false, true}) {
    HeifOptions options;
    options.av1 = av1;
    HeifBuilder builder;
    if (av1) builder.brands = test::AvifBrands();
    std::vector<uint32_t> tiles;
    for (int row = 0; row < 2; ++row) {
      for (int column = 0; column < 3; ++column) {
        const Raster tile = Window(padded, 64 * column, 64 * row, 64, 64);
        tiles.push_back(builder.AddCoded(test::EncodeHeifPart(tile, options)));
      }
    }
    builder.primary = builder.AddGrid(2, 3, 180, 120, tiles);
    const uint32_t thumbnail = builder.AddCoded(test::EncodeHeifPart(test::MakePhoto(64, 64, 3), options));
    builder.Refer("thmb", thumbnail, {builder.primary});
    ExpectShows(builder.Build(), picture, av1 ? "AVIF grid" : "HEIC grid");
  }
}

TEST_F(Heif, EachPictureIsReducedBeforeTheWholeIsPutTogether) {
  constexpr int kTile = 256;
  const Raster picture = test::MakePhoto(4 * kTile, 3 * kTile, 3);
  std::vector<test::HeifPart> tiles;
  for (int i = 0; i < 12; ++i) {
    tiles.push_back(test::EncodeHeifPart(Window(picture, i % 4 * kTile, i / 4 * kTile, kTile, kTile)));
  }
  DecodeOptions exact;
  exact.jpeg_scaling = JpegScaling::kExact;
  struct Case {
    int width;
    int height;
    int quarters;
    int mirror;  // -1: none
    int scale;
  };
  for (const Case& one : {Case{1000, 700, 0, -1, 4}, Case{1001, 701, 0, -1, 4}, Case{1000, 700, 1, -1, 4},
                          Case{1000, 700, 2, -1, 4}, Case{1000, 700, 3, 0, 4}, Case{1000, 702, 3, -1, 2},
                          Case{1001, 701, 1, -1, 1}, Case{1001, 700, 0, 1, 1}}) {
    const std::string what = std::to_string(one.width) + " x " + std::to_string(one.height) + " turned " +
                             std::to_string(one.quarters) + ", mirrored " + std::to_string(one.mirror);
    HeifBuilder builder;
    std::vector<uint32_t> ids;
    for (const test::HeifPart& tile : tiles) ids.push_back(builder.AddCoded(tile));
    builder.primary = builder.AddGrid(3, 4, one.width, one.height, ids);
    if (one.quarters > 0) builder.AddRotation(builder.primary, one.quarters);
    if (one.mirror >= 0) builder.AddMirror(builder.primary, one.mirror);
    const Encoded file = builder.Build();
    const Answer scaled = DecodeWith(*decoder_, file);
    const Answer whole = DecodeWith(*decoder_, file, SmallSpec(), exact);
    ASSERT_TRUE(scaled.report.ok() && whole.report.ok()) << what << ": " << scaled.report.status().ToString();
    EXPECT_EQ(scaled.report->scale_denominator, one.scale) << what;
    EXPECT_EQ(whole.report->scale_denominator, 1) << what;
    EXPECT_EQ(scaled.report->width, whole.report->width) << what;
    EXPECT_EQ(scaled.report->height, whole.report->height) << what;
    EXPECT_LT(MeanError(scaled.pixels, whole.pixels), 1.0) << what;
  }
}

TEST_F(Heif, AlphaIsDroppedOrComposedOverWhite) {
  const Raster picture = Corners(160, 96);
  Raster coverage{160, 96, 1, std::vector<uint8_t>(size_t{160} * 96, 255)};
  for (size_t i = 0; i < coverage.samples.size(); i += 160) {
    std::fill_n(coverage.samples.begin() + static_cast<ptrdiff_t>(i), 80, uint8_t{0});
  }
  Raster white = picture;
  for (size_t i = 0; i < white.samples.size(); ++i) {
    if (i / 3 % 160 < 80) white.samples[i] = 255;
  }
  HeifBuilder builder;
  builder.AddCoded(test::EncodeHeifPart(picture));
  builder.MakeAlpha(builder.AddCoded(test::EncodeHeifPart(coverage)), 1);
  const Encoded file = builder.Build();
  ExpectShows(file, picture, "dropped");
  DecodeOptions options;
  options.alpha = AlphaMode::kWhite;
  const Answer answer = DecodeWith(*decoder_, file, Squash(), options);
  ASSERT_TRUE(answer.report.ok()) << answer.report.status().ToString();
  EXPECT_LT(MeanError(answer.pixels, Wanted(white)), 4.0);
}

TEST_F(Heif, GreyInLimitedRangeIsStretched) {
  const Raster bars{96, 64, 1, std::vector<uint8_t>(size_t{96} * 64, 200)};
  for (const bool av1 : {false, true}) {
    HeifOptions options;
    options.av1 = av1;
    for (const bool full : {false, true}) {
      HeifBuilder builder;
      if (av1) builder.brands = test::AvifBrands();
      builder.AddColour(builder.AddCoded(test::EncodeHeifPart(bars, options)), 1, 13, 1, full);
      const Answer answer = DecodeWith(*decoder_, builder.Build(), Squash());
      ASSERT_TRUE(answer.report.ok()) << answer.report.status().ToString();
      EXPECT_NEAR(answer.pixels[100], full ? 200 : (200 - 16) * 255 / 219, 2) << av1 << full;
    }
  }
}

TEST_F(Heif, SequencesOverlaysAndCopiesAreShown) {
  const Raster picture = Corners(160, 96);
  for (const bool av1 : {false, true}) {
    HeifOptions options;
    options.av1 = av1;
    const test::HeifPart part = test::EncodeHeifPart(picture, options);
    const test::HeifPart alpha = test::EncodeHeifPart(test::MakePhoto(160, 96, 1), options);
    ExpectShows(test::HeifSequenceOf(part), picture, "sequence");
    ExpectShows(test::HeifSequenceOf(part, &alpha), picture, "sequence with transparency");
    HeifBuilder copy;
    copy.primary = copy.AddItem("iden", {});
    copy.Refer("dimg", copy.primary, {copy.AddCoded(part)});
    copy.AddRotation(copy.primary, 1);
    ExpectShows(copy.Build(), TurnedLeft(picture), "copy");
    HeifBuilder overlay;
    overlay.primary = overlay.AddOverlay(200, 100, {overlay.AddCoded(part)}, {{-20, 30}});
    Raster wanted{200, 100, 3, std::vector<uint8_t>(size_t{200} * 100 * 3)};
    for (int y = 0; y < 100; ++y) {
      for (int x = 0; x < 200; ++x) {
        const uint8_t fill[3] = {0x20, 0x40, 0x60};
        const bool inside = x < 140 && y >= 30;
        std::copy_n(inside ? picture.At(x + 20, y - 30) : fill, 3,
                    wanted.samples.begin() + (static_cast<ptrdiff_t>(y) * 200 + x) * 3);
      }
    }
    ExpectShows(overlay.Build(), wanted, "overlay");
  }
}

TEST_F(Heif, BrokenFilesAreRefusedWithTheirReason) {
  const test::HeifPart part = test::EncodeHeifPart(Corners(64, 64));
  HeifBuilder forged;
  forged.AddCoded(part);
  forged.shift = 1'000'000;
  ExpectRefused(forged.Build(), Code::kImageCorrupt, "outside of the file");
  HeifBuilder crowded;
  crowded.AddCoded(part);
  crowded.claimed_items = 1001;
  ExpectRefused(crowded.Build(), Code::kDecodeLimit, "1001 items");
  HeifBuilder hole;
  hole.primary = hole.AddGrid(1, 2, 128, 64, {hole.AddCoded(part)});
  ExpectRefused(hole.Build(), Code::kImageCorrupt, "has 1");
  HeifBuilder liar;
  test::HeifPart larger = part;
  larger.width = 640;
  liar.AddCoded(larger);
  ExpectRefused(liar.Build(), Code::kImageCorrupt, "");
  HeifBuilder noise;
  noise.AddCoded(test::FakeHeifPart(64, 64));
  ExpectRefused(noise.Build(), Code::kImageCorrupt, "");
  ExpectRefused({'<', 'h', 't', 'm', 'l', '>'}, Code::kUnsupportedFormat, "GIF, HEIC");
  const Encoded whole = test::HeifOf(part);
  for (size_t size = 12; size < whole.size(); size += 7) {
    ExpectRefused(test::Cut(whole, size), Code::kImageCorrupt, "");
  }
}

TEST(HeifHello, IsBelievedOnlyWhatCanBeTrue) {
  const auto believed = [](const auto& change) {
    Hello hello;
    change(&hello);
    return CheckHello({reinterpret_cast<const uint8_t*>(&hello), sizeof(hello)}).ok();
  };
  EXPECT_TRUE(believed([](Hello* h) { h->codecs = FormatBit(Format::kHeif) | FormatBit(Format::kTiff); }));
  EXPECT_FALSE(believed([](Hello* h) { h->codecs = FormatBit(Format::kJpeg); }));
  EXPECT_FALSE(believed(
      [](Hello* h) { h->libraries[0].bytes = static_cast<uint32_t>(h->libraries[0].text.size()) + 1; }));
  EXPECT_FALSE(believed([](Hello* h) { h->libraries[7].bytes = 1; })) << "a control character";
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
/// kB from /proc/PID/status.
int64_t StatusKb(int pid, const std::string& name) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(in, line);) {
    if (line.rfind(name + ":", 0) == 0) return std::stoll(line.substr(name.size() + 1));
  }
  return -1;
}

TEST_F(Heif, AWorkerThatWaitsIsSmall) {
  for (const int pid : pool_->pids()) EXPECT_LT(StatusKb(pid, "VmRSS"), 8 * 1024) << "libheif loaded";
}

TEST(HeifMemory, IsEstimatedFromAbove) {
  const Raster picture = Corners(1200, 900);
  for (const bool av1 : {false, true}) {
    for (const bool chroma_444 : {false, true}) {
      HeifOptions options;
      options.av1 = av1;
      options.chroma_444 = chroma_444;
      HeifBuilder builder;
      const uint32_t id = builder.AddCoded(test::EncodeHeifPart(picture, options));
      builder.AddRotation(id, 1);
      if (av1) builder.brands = test::AvifBrands();
      const Encoded file = builder.Build();
      const auto pool = MakePool(PoolOptions(1));
      const std::vector<int> pids = pool->pids();
      DecodeOptions exact;
      exact.jpeg_scaling = JpegScaling::kExact;
      ASSERT_TRUE(DecodeWith(*pool->MakeDecoder(), file, SmallSpec(), exact).report.ok());
      int64_t peak = 0;
      for (const int pid : pids) peak = std::max(peak, StatusKb(pid, "VmHWM"));
      const Result<ImageHeader> header = ProbeHeader(file);
      ASSERT_TRUE(header.ok());
      // The worker without an image, its code included, has 8 MB.
      EXPECT_LT(peak - 8 * 1024, EstimateCost(*header, 1, AlphaMode::kDrop).bytes / 1024)
          << av1 << chroma_444;
    }
  }
}
#endif

}  // namespace
}  // namespace photovec::decode::testing
