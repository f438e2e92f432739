// SPDX-License-Identifier: MIT
// JPEG XL and JPEG 2000 through the real worker: right pixels, right words, and nothing forbidden is called.
#include <gmock/gmock.h>

#include <cmath>

#include "testing/raw_builder.h"
#include "testing/test_images_icc.h"
#include "testing/test_images_jxl.h"
#include "unit/decode/sandbox/pool_fixture.h"

namespace photovec::decode::testing {
namespace {

using test::J2kColors;
using test::J2kOptions;
using test::JxlOptions;
using test::Raster;
using ::testing::HasSubstr;

Raster WithChannels(const Raster& from, int channels) {
  Raster raster{from.width, from.height, channels, {}};
  for (int y = 0; y < from.height; ++y) {
    for (int x = 0; x < from.width; ++x) {
      for (int c = 0; c < channels; ++c) {
        const bool alpha = channels % 2 == 0 && c == channels - 1;
        raster.samples.push_back(alpha ? static_cast<uint8_t>(255 - x) : from.At(x, y)[channels < 3 ? 0 : c]);
      }
    }
  }
  return raster;
}

/// RGB over white as --alpha=white gives it, or without the alpha.
Raster Shown(const Raster& raster, bool white) {
  Raster shown{raster.width, raster.height, 3, {}};
  for (int y = 0; y < raster.height; ++y) {
    for (int x = 0; x < raster.width; ++x) {
      const uint8_t* at = raster.At(x, y);
      const int a = raster.channels % 2 == 0 && white ? at[raster.channels - 1] : 255;
      for (int c = 0; c < 3; ++c) {
        const int colour = at[raster.channels < 3 ? 0 : c];
        shown.samples.push_back(static_cast<uint8_t>((colour * a + 255 * (255 - a) + 127) / 255));
      }
    }
  }
  return shown;
}

class Worker : public ::testing::Test {
 protected:
  void SetUp() override {
    DecoderPoolOptions options = PoolOptions(1);
    options.name_violations = true;
    pool_ = MakePool(options);
    decoder_ = pool_->MakeDecoder();
  }
  void TearDown() override {
    for (const int64_t deaths : pool_->stats().deaths) EXPECT_EQ(deaths, 0);
  }

  /// Levels, on average, between what a file becomes and what a PNG of `wanted` becomes. 255 when it fails.
  double ErrorOf(const Encoded& file, const Raster& wanted, const std::string& what, bool white = false,
                 ColorMode color = ColorMode::kIgnore, std::span<const uint8_t> wanted_icc = {}) {
    Encoded png = test::EncodePng(wanted.width, wanted.height, wanted.samples, {});
    if (!wanted_icc.empty()) png = test::PngWithIcc(png, wanted_icc);
    DecodeOptions options;
    options.alpha = white ? AlphaMode::kWhite : AlphaMode::kDrop;
    options.color = color;
    const preprocess::Spec spec = preprocess::SquashVariant(SmallSpec());
    const Answer answer = DecodeWith(*decoder_, file, spec, options);
    EXPECT_TRUE(answer.report.ok()) << what << ": " << answer.report.status().ToString();
    if (!answer.report.ok()) return 255;
    EXPECT_EQ(answer.report->width, wanted.width) << what;
    EXPECT_EQ(answer.report->height, wanted.height) << what;
    const Answer reference = DecodeWith(*MakeInProcessDecoder(), png, spec, options);
    double sum = 0;
    for (size_t i = 0; i < answer.pixels.size(); ++i) sum += std::abs(answer.pixels[i] - reference.pixels[i]);
    return sum / static_cast<double>(answer.pixels.size());
  }
  void ExpectRefused(const Encoded& file, Code code, const std::string& words) {
    const Status status = DecodeWith(*decoder_, file).report.status();
    EXPECT_EQ(status.code(), code) << status.ToString();
    EXPECT_THAT(status.message(), HasSubstr(words));
  }

  std::unique_ptr<DecoderPool> pool_;
  std::unique_ptr<Decoder> decoder_;
  const Raster photo_ = test::MakePhoto(150, 110, 3);
};

using Jxl = Worker;

TEST_F(Jxl, LosslessIsEqual) {
  for (int channels = 1; channels <= 4; ++channels) {
    const Raster raster = WithChannels(photo_, channels);
    for (const bool white : {false, true}) {
      for (const bool container : {false, true}) {
        JxlOptions options;
        options.container = container;
        const std::string what = std::to_string(channels) + " channels";
        EXPECT_EQ(ErrorOf(test::EncodeJxl(raster, options), Shown(raster, white), what, white), 0) << what;
      }
    }
  }
}

TEST_F(Jxl, SixteenBitsAndFloatsBecomeEight) {
  for (int channels = 1; channels <= 4; ++channels) {
    const Raster raster = WithChannels(photo_, channels);
    JxlOptions options;
    options.bits = 16;
    EXPECT_EQ(ErrorOf(test::EncodeJxl(raster, options), Shown(raster, false), "16 bits"), 0) << channels;
    options.floats = true;
    EXPECT_EQ(ErrorOf(test::EncodeJxl(raster, options), Shown(raster, false), "floats"), 0) << channels;
  }
}

TEST_F(Jxl, LossyIsNear) {
  for (const bool xyb : {false, true}) {
    for (int channels = 1; channels <= 4; ++channels) {
      const Raster raster = WithChannels(photo_, channels);
      JxlOptions options;
      options.lossless = false;
      options.xyb = xyb;
      const std::string what = std::to_string(channels) + (xyb ? " in XYB" : " in the picture's colours");
      EXPECT_LT(ErrorOf(test::EncodeJxl(raster, options), Shown(raster, false), what), 4) << what;
    }
  }
  JxlOptions half;
  half.lossless = false;
  half.xyb = true;
  half.resampling = 2;
  EXPECT_LT(ErrorOf(test::EncodeJxl(photo_, half), photo_, "half the size inside"), 6);
  const Encoded jpeg = test::EncodeJpeg(photo_);
  const Answer shown = DecodeWith(*MakeInProcessDecoder(), jpeg);
  const Answer again = DecodeWith(*decoder_, test::JxlOfJpeg(jpeg));
  ASSERT_TRUE(again.report.ok()) << again.report.status().ToString();
  double sum = 0;
  for (size_t i = 0; i < shown.pixels.size(); ++i) sum += std::abs(shown.pixels[i] - again.pixels[i]);
  EXPECT_LT(sum / static_cast<double>(shown.pixels.size()), 1.0);
}

TEST_F(Jxl, TheFirstFrameAndTheOrientationOfTheCodestream) {
  JxlOptions options;
  options.frames = 3;
  EXPECT_EQ(ErrorOf(test::EncodeJxl(photo_, options), photo_, "an animation"), 0);
  const preprocess::Spec spec = SmallSpec();
  for (int orientation = 1; orientation <= 8; ++orientation) {
    JxlOptions turned;
    turned.orientation = orientation;
    turned.container = orientation % 2 == 0;
    const Answer answer = DecodeWith(*decoder_, test::EncodeJxl(photo_, turned), spec);
    const Encoded png = test::EncodePng(photo_.width, photo_.height, photo_.samples, {});
    const Answer wanted =
        DecodeWith(*MakeInProcessDecoder(), test::PngWithExif(png, test::ExifBlock(orientation)), spec);
    ASSERT_TRUE(answer.report.ok()) << answer.report.status().ToString();
    EXPECT_EQ(answer.report->orientation, orientation);
    EXPECT_EQ(answer.report->width, photo_.width);
    EXPECT_EQ(answer.pixels, wanted.pixels) << orientation;
  }
}

TEST_F(Jxl, ProfilesCountWhenAskedFor) {
  for (const char* name : {"p3", "adobe", "table"}) {
    const Encoded icc = test::MakeIcc(test::IccKindOf(name));
    JxlOptions options;
    options.icc = icc;
    const Encoded file = test::EncodeJxl(photo_, options);
    EXPECT_EQ(ErrorOf(file, photo_, name), 0) << name;
    EXPECT_LT(ErrorOf(file, photo_, name, false, ColorMode::kSrgb, icc), 0.3) << name;
  }
  const Answer srgb = [&] {
    DecodeOptions options;
    options.color = ColorMode::kSrgb;
    return DecodeWith(*decoder_, test::EncodeJxl(photo_, {}), SmallSpec(), options);
  }();
  ASSERT_TRUE(srgb.report.ok());
  EXPECT_EQ(srgb.report->profile, ProfileUse::kAlreadySrgb);
}

TEST_F(Jxl, AProfileThatHasNoNameDoesNotDarken) {
  // libjxl alone would give linear light here.
  JxlOptions options;
  options.lossless = false;
  options.xyb = true;
  const Encoded table = test::MakeIcc(test::IccKind::kTable);
  options.icc = table;
  const Encoded file = test::EncodeJxl(photo_, options);
  const Encoded png =
      test::PngWithIcc(test::EncodePng(photo_.width, photo_.height, photo_.samples, {}), table);
  DecodeOptions convert;
  convert.color = ColorMode::kSrgb;
  const preprocess::Spec spec = SmallSpec();
  const Answer wanted = DecodeWith(*MakeInProcessDecoder(), png, spec, convert);
  const Answer got = DecodeWith(*decoder_, file, spec);
  ASSERT_TRUE(got.report.ok()) << got.report.status().ToString();
  double sum = 0;
  for (size_t i = 0; i < got.pixels.size(); ++i) sum += std::abs(got.pixels[i] - wanted.pixels[i]);
  EXPECT_LT(sum / static_cast<double>(got.pixels.size()), 4.0);
}

TEST_F(Jxl, BadFilesAreRefusedInWords) {
  const Encoded file = test::EncodeJxl(photo_, {});
  ExpectRefused(test::Cut(file, file.size() / 2), Code::kImageCorrupt, "the JPEG XL is truncated");
  ExpectRefused(test::Cut(file, 4), Code::kImageCorrupt, "truncated inside its header");
  JxlOptions boxes;
  boxes.container = true;
  const Encoded boxed = test::EncodeJxl(photo_, boxes);
  ExpectRefused(test::Cut(boxed, boxed.size() - 50), Code::kImageCorrupt, "the JPEG XL is truncated");
  ExpectRefused(test::Cut(boxed, 30), Code::kImageCorrupt, "before its image begins");
  Encoded noise = file;
  for (size_t i = 40; i < noise.size(); ++i) noise[i] = static_cast<uint8_t>(i * 77 + i / 3);
  const Status status = DecodeWith(*decoder_, noise).report.status();
  EXPECT_EQ(status.code(), Code::kImageCorrupt) << status.ToString();
}

using Jpeg2000 = Worker;

TEST_F(Jpeg2000, LosslessIsEqual) {
  for (int channels = 1; channels <= 4; ++channels) {
    const Raster raster = WithChannels(photo_, channels);
    for (const bool boxes : {false, true}) {
      J2kOptions options;
      options.boxes = boxes;
      options.alpha = boxes && channels % 2 == 0;
      options.colors = channels < 3 ? J2kColors::kGrey : J2kColors::kSrgb;
      const std::string what = std::to_string(channels) + (boxes ? " in boxes" : " bare");
      const Encoded file = test::EncodeJ2k(raster, options);
      EXPECT_EQ(ErrorOf(file, Shown(raster, false), what), 0) << what;
      EXPECT_EQ(ErrorOf(file, Shown(raster, true), what, true), 0) << what;
    }
  }
}

TEST_F(Jpeg2000, EveryWayOfCutting) {
  for (const int tile : {0, 32, 64}) {
    for (const int precinct : {0, 64, 128}) {
      for (const int layers : {1, 3}) {
        J2kOptions options;
        options.tile = tile;
        options.precinct = precinct;
        options.layers = layers;
        options.block = 16;
        options.x0 = tile / 8;
        options.y0 = tile / 4;
        EXPECT_EQ(ErrorOf(test::EncodeJ2k(photo_, options), photo_, "tiles"), 0) << tile << " " << precinct;
      }
    }
  }
  J2kOptions lossy;
  lossy.reversible = false;
  EXPECT_LT(ErrorOf(test::EncodeJ2k(photo_, lossy), photo_, "lossy"), 4);
}

TEST_F(Jpeg2000, OtherDepthsAreScaled) {
  for (const int bits : {4, 10, 12, 16}) {
    for (const bool is_signed : {false, true}) {
      J2kOptions options;
      options.bits = bits;
      options.is_signed = is_signed;
      Raster wanted = photo_;
      if (bits == 4) {
        for (uint8_t& sample : wanted.samples) sample = static_cast<uint8_t>((sample * 15 + 127) / 255 * 17);
      }
      EXPECT_EQ(ErrorOf(test::EncodeJ2k(photo_, options), wanted, std::to_string(bits)), 0) << bits;
    }
  }
}

TEST_F(Jpeg2000, InksAndChroma) {
  // Colours that are known: grey, and pure inks.
  Raster ycc{64, 48, 3, {}};
  Raster red{64, 48, 3, {}};
  Raster inks{64, 48, 4, {}};
  Raster shown{64, 48, 3, {}};
  for (int i = 0; i < 64 * 48; ++i) {
    ycc.samples.insert(ycc.samples.end(), {76, 85, 255});  // JPEG's for 254, 0, 0
    red.samples.insert(red.samples.end(), {254, 0, 0});
    inks.samples.insert(inks.samples.end(), {255, 51, 0, 102});
    shown.samples.insert(shown.samples.end(), {0, 122, 153});
  }
  for (const int step : {1, 2, 4}) {
    for (const int left : {0, 1, 3}) {
      J2kOptions options;
      options.colors = J2kColors::kYcc;
      options.chroma_step = step;
      options.x0 = options.y0 = left;
      EXPECT_LE(ErrorOf(test::EncodeJ2k(ycc, options), red, "chroma"), 0.5) << step << " " << left;
      options.boxes = false;  // then its shape alone tells
      if (step == 1) continue;
      EXPECT_LE(ErrorOf(test::EncodeJ2k(ycc, options), red, "bare"), 0.5) << step << " " << left;
    }
  }
  J2kOptions cmyk;
  cmyk.colors = J2kColors::kCmyk;
  EXPECT_EQ(ErrorOf(test::EncodeJ2k(inks, cmyk), shown, "inks"), 0);
}

TEST_F(Jpeg2000, BadFilesAreRefusedInWords) {
  const Encoded file = test::EncodeJ2k(photo_, {});
  J2kOptions bare;
  bare.boxes = false;
  const Encoded stream = test::EncodeJ2k(photo_, bare);
  ExpectRefused(test::Cut(file, file.size() / 2), Code::kImageCorrupt, "the JPEG 2000 is corrupt");
  ExpectRefused(test::Cut(stream, stream.size() / 2), Code::kImageCorrupt, "the JPEG 2000 is corrupt");
  ExpectRefused(test::Cut(stream, 40), Code::kImageCorrupt, "truncated inside its header");
  ExpectRefused(test::Cut(file, 50), Code::kImageCorrupt, "before its image begins");
  Encoded many = stream;
  many[40] = 0;
  many[41] = 5;  // Csiz
  ExpectRefused(many, Code::kUnsupportedFormat, "of 5 components");
}

using CameraRaw = Worker;

TEST_F(CameraRaw, IsReadAsItsJpeg) {
  const Encoded preview = test::EncodeJpeg(test::MakePhoto(640, 480, 3));
  const preprocess::Spec spec = SmallSpec();
  const Answer wanted = DecodeWith(*MakeInProcessDecoder(), preview, spec);
  const Answer got = DecodeWith(*decoder_, test::MakeRaw(preview, {}), spec);
  ASSERT_TRUE(got.report.ok()) << got.report.status().ToString();
  EXPECT_EQ(got.report->format, Format::kRaw);
  EXPECT_EQ(got.report->scale_denominator, wanted.report->scale_denominator);
  EXPECT_GT(got.report->scale_denominator, 1);
  EXPECT_EQ(got.pixels, wanted.pixels);
}

}  // namespace
}  // namespace photovec::decode::testing
