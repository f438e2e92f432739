// SPDX-License-Identifier: MIT
#include "preprocess/resize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "preprocess/geometry.h"
#include "resize_oracle.h"

namespace photovec::preprocess {
namespace {

using oracle::Image;
using ::testing::HasSubstr;

Spec MakeSpec(int resize_short, int crop, Filter filter = Filter::kBicubic) {
  Spec spec;
  spec.resize_short = resize_short;
  spec.crop = crop;
  spec.filter = filter;
  return spec;
}

DecodedPhoto MakePhoto(const Image& stored, int orientation = 1) {
  DecodedPhoto photo;
  photo.pixels = stored.view();
  photo.full_width = stored.width;
  photo.full_height = stored.height;
  photo.orientation = orientation;
  return photo;
}

/// Runs into a dirty slot with guard bytes on both sides.
Image Preprocess(Preprocessor& preprocessor, const DecodedPhoto& photo, const Spec& spec) {
  constexpr size_t kGuard = 64;
  std::vector<uint8_t> memory(spec.slot_bytes() + 2 * kGuard, 0xA5);
  const Status status = preprocessor.Run(photo, spec, std::span(memory).subspan(kGuard, spec.slot_bytes()));
  EXPECT_TRUE(status.ok()) << status.ToString();
  Image out(spec.crop, spec.crop);
  std::copy_n(memory.begin() + kGuard, out.pixels.size(), out.pixels.begin());
  for (size_t i = 0; i < kGuard; ++i) {
    EXPECT_EQ(memory[i], 0xA5) << "written before the slot";
    EXPECT_EQ(memory[memory.size() - 1 - i], 0xA5) << "written behind the slot";
  }
  return out;
}

Image Preprocess(const DecodedPhoto& photo, const Spec& spec) {
  Preprocessor preprocessor;
  return Preprocess(preprocessor, photo, spec);
}

::testing::AssertionResult Same(const Image& got, const Image& want) {
  if (got.width != want.width || got.height != want.height) {
    return ::testing::AssertionFailure() << "sizes differ";
  }
  size_t differ = 0;
  size_t first = 0;
  for (size_t i = got.pixels.size(); i-- > 0;) {
    if (got.pixels[i] != want.pixels[i]) ++differ, first = i;
  }
  if (differ == 0) return ::testing::AssertionSuccess();
  const size_t row = static_cast<size_t>(got.width) * 3;
  return ::testing::AssertionFailure()
         << differ << " of " << got.pixels.size() << " values differ, the first at x=" << first % row / 3
         << " y=" << first / row << " channel " << first % 3;
}

TEST(Resize, KnownPillowValues) {
  // Image.fromarray(...).resize() of Pillow 9.4, grey values.
  const auto grey = [](int width, int height, const std::vector<uint8_t>& values) {
    Image image(width, height);
    for (size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = values[i / 3];
    return image;
  };
  const Image checker = grey(2, 2, {0, 255, 255, 0});
  EXPECT_TRUE(Same(Preprocess(MakePhoto(checker), MakeSpec(1, 1)), grey(1, 1, {128})));
  EXPECT_TRUE(Same(Preprocess(MakePhoto(checker), MakeSpec(3, 3, Filter::kBilinear)),
                   grey(3, 3, {0, 128, 255, 128, 128, 128, 255, 128, 0})));
  const Image ramp = grey(4, 4, {0, 10, 20, 200, 10, 20, 30, 210, 20, 30, 40, 220, 200, 210, 220, 255});
  EXPECT_TRUE(
      Same(Preprocess(MakePhoto(ramp), MakeSpec(2, 2, Filter::kBilinear)), grey(2, 2, {14, 103, 103, 165})));
  EXPECT_TRUE(Same(Preprocess(MakePhoto(ramp), MakeSpec(2, 2)), grey(2, 2, {0, 104, 104, 174})));
  EXPECT_TRUE(Same(Preprocess(MakePhoto(ramp), MakeSpec(5, 5)),
                   grey(5, 5, {0,  6,   4,  71, 208, 6,   12,  10,  77,  214, 4,   10, 8,
                               78, 222, 71, 77, 78,  131, 236, 208, 214, 221, 237, 255})));
  // Not symmetric although the image is: rows are filtered, and rounded, before columns.
  EXPECT_TRUE(Same(Preprocess(MakePhoto(ramp), MakeSpec(3, 3, Filter::kLanczos)),
                   grey(3, 3, {8, 8, 160, 9, 8, 168, 160, 168, 231})));
}

TEST(Resize, SameSizeIsACopy) {
  const Image image = oracle::Noise(37, 37, 1);
  for (const Filter filter : {Filter::kBilinear, Filter::kBicubic, Filter::kLanczos}) {
    EXPECT_TRUE(Same(Preprocess(MakePhoto(image), MakeSpec(37, 37, filter)), image));
  }
}

TEST(Resize, ConstantStaysConstant) {
  for (const auto value : std::array<uint8_t, 5>{0, 1, 77, 254, 255}) {
    Image image(501, 333);
    std::fill(image.pixels.begin(), image.pixels.end(), value);
    for (const Filter filter : {Filter::kBilinear, Filter::kBicubic, Filter::kLanczos}) {
      const Image out = Preprocess(MakePhoto(image, 6), MakeSpec(64, 64, filter));
      EXPECT_THAT(out.pixels, ::testing::Each(value));
    }
  }
}

struct Shape {
  int width, height, resize_short, crop;
};

// Sizes around the block of 16 rows and the group of 8 columns, up- and downscaling, crops smaller and
// larger.
constexpr Shape kShapes[] = {{1, 1, 1, 1},       {1, 1, 7, 7},       {2, 3, 5, 4},       {3, 2, 4, 5},
                             {16, 16, 8, 8},     {17, 15, 16, 16},   {31, 33, 17, 17},   {8, 40, 20, 11},
                             {40, 8, 20, 13},    {100, 75, 32, 32},  {75, 100, 33, 33},  {64, 48, 224, 224},
                             {301, 199, 48, 32}, {150, 211, 20, 47}, {211, 150, 21, 30}, {1, 90, 3, 8},
                             {90, 1, 3, 8},      {13, 700, 9, 16},   {700, 13, 9, 16},   {520, 390, 16, 16}};

class ResizeShapes : public ::testing::TestWithParam<std::tuple<Shape, int>> {};

TEST_P(ResizeShapes, EqualOrientThenResizeThenCrop) {
  const auto& [shape, orientation] = GetParam();
  const Image stored = oracle::Noise(shape.width, shape.height, 7);
  const DecodedPhoto photo = MakePhoto(stored, orientation);
  Preprocessor preprocessor;
  for (const Filter filter : {Filter::kBilinear, Filter::kBicubic, Filter::kLanczos}) {
    Spec spec = MakeSpec(shape.resize_short, shape.crop, filter);
    for (const ResizeMode mode : {ResizeMode::kShortestEdge, ResizeMode::kFixed, ResizeMode::kLongestEdge}) {
      if (mode != ResizeMode::kShortestEdge && filter != Filter::kBicubic) continue;
      spec.mode = mode;
      spec.rounding = orientation % 2 == 0 ? CropRounding::kDown : CropRounding::kHalfEven;
      EXPECT_TRUE(Same(Preprocess(preprocessor, photo, spec), oracle::Preprocess(photo, stored, spec)))
          << "filter " << static_cast<int>(filter) << " mode " << static_cast<int>(mode);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, ResizeShapes,
                         ::testing::Combine(::testing::ValuesIn(kShapes), ::testing::Range(1, 9)));

class ResizeOrientations : public ::testing::TestWithParam<int> {};

// The same without the oracle's arithmetic: orient a copy, run that upright.
TEST_P(ResizeOrientations, EqualAnOrientedCopy) {
  const Image stored = oracle::Noise(231, 160, 3);
  const Image seen = oracle::Orient(stored, GetParam());
  for (const Filter filter : {Filter::kBilinear, Filter::kBicubic, Filter::kLanczos}) {
    const Spec spec = MakeSpec(70, 64, filter);
    EXPECT_TRUE(Same(Preprocess(MakePhoto(stored, GetParam()), spec), Preprocess(MakePhoto(seen), spec)));
  }
  const Spec squash = SquashVariant(MakeSpec(70, 64));
  EXPECT_TRUE(Same(Preprocess(MakePhoto(stored, GetParam()), squash), Preprocess(MakePhoto(seen), squash)));
}

// A decoder that scales hands over less: the box and the sizes must come from the full photo.
TEST_P(ResizeOrientations, ScaledSourcesUseTheFractionalBox) {
  for (const int denominator : {2, 4, 8}) {
    DecodedPhoto photo;
    photo.full_width = 805;
    photo.full_height = 603;
    photo.scale_denominator = denominator;
    photo.orientation = GetParam();
    const Image stored =
        oracle::Noise((805 + denominator - 1) / denominator, (603 + denominator - 1) / denominator, 5);
    photo.pixels = stored.view();
    for (const Filter filter : {Filter::kBilinear, Filter::kBicubic, Filter::kLanczos}) {
      const Spec spec = MakeSpec(36, 32, filter);
      const Image got = Preprocess(photo, spec);
      EXPECT_TRUE(Same(got, oracle::Preprocess(photo, stored, spec))) << "1/" << denominator;
      // Would this test notice a box of whole pixels?
      EXPECT_FALSE(Same(got, Preprocess(MakePhoto(stored, GetParam()), spec))) << "1/" << denominator;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, ResizeOrientations, ::testing::Range(1, 9));

TEST(Resize, ExtremeAspect) {
  for (const int orientation : {1, 3, 6, 8}) {
    for (const auto& [width, height] : {std::pair{1, 16'384}, {16'384, 1}, {2, 16'384}}) {
      const Image stored = oracle::Noise(width, height, 2);
      const Spec spec = MakeSpec(32, 32);
      const Image out = Preprocess(MakePhoto(stored, orientation), spec);
      // Blown up 16 or 32 times, the centre shows one or two pixels of the photo: too smooth for the noise.
      EXPECT_LE(std::abs(out.At(16, 16)[0] - out.At(17, 16)[0]), 60);
    }
  }
  const Image tall = oracle::Noise(3, 5000, 4);
  const DecodedPhoto photo = MakePhoto(tall, 5);
  EXPECT_TRUE(Same(Preprocess(photo, MakeSpec(2, 4)), oracle::Preprocess(photo, tall, MakeSpec(2, 4))));
}

TEST(Resize, ReadsNothingBeyondTheRows) {
  // Rows far apart, and the last one at the very end of its allocation: AddressSanitizer sees one byte too
  // many.
  for (const int width : {1, 5, 8, 9, 43}) {
    constexpr size_t kStride = 200;
    constexpr int kHeight = 19;
    const size_t bytes = kStride * (kHeight - 1) + static_cast<size_t>(width) * 3;
    const std::unique_ptr<uint8_t[]> memory(new uint8_t[bytes]);
    std::fill_n(memory.get(), bytes, uint8_t{0xEE});
    const Image tight = oracle::Noise(width, kHeight, 9);
    for (int y = 0; y < kHeight; ++y) {
      std::copy_n(tight.At(0, y), static_cast<size_t>(width) * 3,
                  memory.get() + static_cast<size_t>(y) * kStride);
    }
    for (int orientation = 1; orientation <= 8; ++orientation) {
      DecodedPhoto photo = MakePhoto(tight, orientation);
      photo.pixels = {memory.get(), width, kHeight, kStride};
      for (const Spec& spec : {MakeSpec(6, 6), MakeSpec(24, 24), SquashVariant(MakeSpec(9, 9))}) {
        EXPECT_TRUE(Same(Preprocess(photo, spec), Preprocess(MakePhoto(tight, orientation), spec)));
      }
    }
  }
}

TEST(Resize, ScratchOfOnePhotoDoesNotReachTheNext) {
  Preprocessor kept;
  for (unsigned i = 0; i < 60; ++i) {
    const Shape& shape = kShapes[i * 7 % std::size(kShapes)];
    const Image stored = oracle::Noise(shape.width, shape.height, i);
    const DecodedPhoto photo = MakePhoto(stored, static_cast<int>(i % 8) + 1);
    Spec spec = MakeSpec(shape.resize_short, shape.crop);
    if (i % 5 == 0) spec = SquashVariant(spec);
    EXPECT_TRUE(Same(Preprocess(kept, photo, spec), Preprocess(photo, spec))) << i;
  }
}

// ---- Squash ----

Image SquashOracle(const Image& in, int size) {
  const auto weights = [](double t) {
    constexpr double a = -0.75;
    const auto near = [&](double x) { return ((a + 2) * x - (a + 3)) * x * x + 1; };
    const auto far = [&](double x) { return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a; };
    return std::array{far(1 + t), near(t), near(1 - t), far(2 - t)};
  };
  Image out(size, size);
  for (int y = 0; y < size; ++y) {
    const double py = (y + 0.5) * in.height / size - 0.5;
    const auto wy = weights(py - std::floor(py));
    for (int x = 0; x < size; ++x) {
      const double px = (x + 0.5) * in.width / size - 0.5;
      const auto wx = weights(px - std::floor(px));
      for (int c = 0; c < 3; ++c) {
        double sum = 0;
        for (int j = 0; j < 4; ++j) {
          for (int i = 0; i < 4; ++i) {
            const int sx = std::clamp(static_cast<int>(std::floor(px)) - 1 + i, 0, in.width - 1);
            const int sy = std::clamp(static_cast<int>(std::floor(py)) - 1 + j, 0, in.height - 1);
            sum += wy[static_cast<size_t>(j)] * wx[static_cast<size_t>(i)] * in.At(sx, sy)[c];
          }
        }
        out.At(x, y)[c] = static_cast<uint8_t>(std::clamp(std::lround(sum), 0L, 255L));
      }
    }
  }
  return out;
}

TEST(Squash, IsCubicWithoutAntialias) {
  for (const auto& [width, height, size] : {std::tuple{1, 1, 5},
                                            {1, 60, 7},
                                            {60, 1, 7},
                                            {3, 4, 9},
                                            {640, 480, 32},
                                            {480, 640, 32},
                                            {33, 47, 40},
                                            {1000, 20, 16},
                                            {24, 24, 24}}) {
    const Image in = oracle::Noise(width, height, 6);
    Spec spec = SquashVariant(MakeSpec(size, size));
    const Image got = Preprocess(MakePhoto(in), spec);
    const Image want = SquashOracle(in, size);
    int worst = 0;
    for (size_t i = 0; i < got.pixels.size(); ++i) {
      worst = std::max(worst, std::abs(got.pixels[i] - want.pixels[i]));
    }
    EXPECT_LE(worst, 1) << width << "x" << height << " to " << size;
  }
}

TEST(Squash, SameSizeIsACopy) {
  const Image in = oracle::Noise(24, 24, 8);
  EXPECT_TRUE(Same(Preprocess(MakePhoto(in), SquashVariant(MakeSpec(24, 24))), in));
}

// ---- Contradictions ----

TEST(Resize, ContradictionsAreInternalErrors) {
  const Image image = oracle::Noise(20, 10, 1);
  const Spec spec = MakeSpec(8, 8);
  const auto refuse = [&](DecodedPhoto photo, const Spec& with, size_t bytes, const std::string& why) {
    std::vector<uint8_t> out(bytes);
    const Status status = Preprocessor().Run(photo, with, out);
    EXPECT_EQ(status.code(), Code::kInternal) << why;
    EXPECT_THAT(status.message(), HasSubstr(why));
  };
  const auto with = [&](auto change) {
    DecodedPhoto photo = MakePhoto(image);
    change(photo);
    return photo;
  };
  const size_t bytes = spec.slot_bytes();
  refuse(MakePhoto(image), spec, bytes - 1, "a slot of 191 bytes instead of 192");
  refuse(with([](DecodedPhoto& s) { s.scale_denominator = 3; }), spec, bytes, "denominator of 3");
  refuse(with([](DecodedPhoto& s) { s.scale_denominator = 0; }), spec, bytes, "denominator of 0");
  refuse(with([](DecodedPhoto& s) { s.scale_denominator = 2; }), spec, bytes,
         "came as 20x10 instead of 10x5");
  refuse(with([](DecodedPhoto& s) { s.full_width = 21; }), spec, bytes, "instead of 21x10");
  refuse(with([](DecodedPhoto& s) { s.full_width = 0; }), spec, bytes, "a photo of 0x10");
  refuse(with([](DecodedPhoto& s) { s.full_height = 1 << 20; }), spec, bytes, "a photo of 20x1048576");
  refuse(with([](DecodedPhoto& s) { s.orientation = 0; }), spec, bytes, "orientation 0");
  refuse(with([](DecodedPhoto& s) { s.orientation = 9; }), spec, bytes, "orientation 9");
  refuse(with([](DecodedPhoto& s) { s.pixels.data = nullptr; }), spec, bytes, "no pixels");
  refuse(with([](DecodedPhoto& s) { s.pixels.stride = 59; }), spec, bytes, "rows of 59 bytes");
  refuse(MakePhoto(image), MakeSpec(0, 8), bytes, "a side of 0");
  refuse(MakePhoto(image), MakeSpec(8, 0), 0, "a crop of 0");
  refuse(with([](DecodedPhoto& s) {
           s.scale_denominator = 2;
           s.full_width = 40;
           s.full_height = 20;
         }),
         SquashVariant(spec), bytes, "squash needs pixels decoded in full");
}

// ---- Sizes ----

TEST(ResizedSize, TruncatesTheLongSide) {
  const Spec spec = MakeSpec(224, 224);
  const auto size = [&](int w, int h) {
    const Size s = ResizedSize(w, h, spec);
    return std::pair(s.width, s.height);
  };
  EXPECT_EQ(size(640, 480), std::pair(298, 224));
  EXPECT_EQ(size(480, 640), std::pair(224, 298));
  EXPECT_EQ(size(100, 100), std::pair(224, 224));
  EXPECT_EQ(size(1, 16'384), std::pair(224, 3'670'016));
  EXPECT_EQ(size(3, 4), std::pair(224, 298));
  const Size squash = ResizedSize(640, 480, SquashVariant(spec));
  EXPECT_EQ(std::pair(squash.width, squash.height), std::pair(224, 224));
}

TEST(ResizedSize, OfTheOtherModes) {
  Spec spec = MakeSpec(224, 224);
  const auto size = [&](int w, int h) {
    const Size s = ResizedSize(w, h, spec);
    return std::pair(s.width, s.height);
  };
  spec.mode = ResizeMode::kFixed;
  EXPECT_EQ(size(640, 480), std::pair(224, 224));
  EXPECT_EQ(size(1, 16'384), std::pair(224, 224));
  spec.mode = ResizeMode::kLongestEdge;
  EXPECT_EQ(size(640, 480), std::pair(224, 168));
  EXPECT_EQ(size(480, 640), std::pair(168, 224));
  EXPECT_EQ(size(448, 5), std::pair(224, 2)) << "2.5, to even";
  EXPECT_EQ(size(448, 7), std::pair(224, 4)) << "3.5, to even";
  EXPECT_EQ(size(16'384, 1), std::pair(224, 1)) << "never nothing";
}

TEST(Crop, RoundsAsTheLibraryDoes) {
  const auto begin = [](int resized, CropRounding rounding) {
    Spec spec = MakeSpec(resized, 10);
    spec.rounding = rounding;
    const Image stored(resized, resized);
    const Result<ResizePlan> plan = MakeResizePlan(MakePhoto(stored), spec);
    EXPECT_EQ(plan->x.pad == 0, resized >= 10);
    return plan->x.pad > 0 ? -plan->x.pad : plan->x.key.out_begin;
  };
  EXPECT_EQ(begin(11, CropRounding::kDown), 0);
  EXPECT_EQ(begin(13, CropRounding::kDown), 1);
  EXPECT_EQ(begin(7, CropRounding::kDown), -2);
  EXPECT_EQ(begin(11, CropRounding::kHalfEven), 0) << "0.5";
  EXPECT_EQ(begin(13, CropRounding::kHalfEven), 2) << "1.5";
  EXPECT_EQ(begin(15, CropRounding::kHalfEven), 2) << "2.5";
  EXPECT_EQ(begin(7, CropRounding::kHalfEven), -1);
  for (const CropRounding rounding : {CropRounding::kDown, CropRounding::kHalfEven}) {
    EXPECT_EQ(begin(10, rounding), 0);
    EXPECT_EQ(begin(14, rounding), 2);
    EXPECT_EQ(begin(6, rounding), -2);
  }
}

TEST(FastScale, LeavesTwiceWhatTheResizeNeeds) {
  const Spec spec = MakeSpec(224, 224);
  EXPECT_EQ(FastScaleDenominator(4000, 3000, spec), 4);
  EXPECT_EQ(FastScaleDenominator(3000, 4000, spec), 4);
  EXPECT_EQ(FastScaleDenominator(1632, 1224, spec), 2);
  EXPECT_EQ(FastScaleDenominator(800, 600, spec), 1);
  EXPECT_EQ(FastScaleDenominator(3584, 3584, spec), 8);
  EXPECT_EQ(FastScaleDenominator(3583, 3583, spec), 4) << "3583/8 rounds up to 448 pixels, but covers less";
  EXPECT_EQ(FastScaleDenominator(896, 896, spec), 2);
  EXPECT_EQ(FastScaleDenominator(895, 5000, spec), 1);
  EXPECT_EQ(FastScaleDenominator(16'384, 1, spec), 1);
  EXPECT_EQ(FastScaleDenominator(1, 1, spec), 1);
  EXPECT_EQ(FastScaleDenominator(8000, 8000, SquashVariant(spec)), 1);
  Spec fixed = spec;
  fixed.mode = ResizeMode::kFixed;
  EXPECT_EQ(FastScaleDenominator(4000, 1000, fixed), 2) << "the side that shrinks least decides";
  EXPECT_EQ(FastScaleDenominator(8000, 8000, MakeSpec(600, 224)), 4) << "the resize decides, not the crop";
  for (int width = 1; width < 9000; width += 37) {
    for (int height = 1; height < 9000; height += 411) {
      const int d = FastScaleDenominator(width, height, spec);
      const Size need = ResizedSize(width, height, spec);
      const auto enough = [&](int by) {
        return width >= 2 * by * need.width && height >= 2 * by * need.height;
      };
      EXPECT_TRUE(d == 1 || enough(d)) << width << "x" << height;
      EXPECT_TRUE(d == 8 || !enough(2 * d)) << width << "x" << height;
    }
  }
}

}  // namespace
}  // namespace photovec::preprocess
