// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <random>
#include <vector>

#include "base/image.h"
#include "preprocess/resize.h"
#include "preprocess/spec.h"

/// What the preprocessor must give, in the plainest loops: orient a copy, resize all of it as Pillow does,
/// crop.
namespace photovec::preprocess::oracle {

struct Image {
  int width = 0;
  int height = 0;
  std::vector<uint8_t> pixels;  // [height, width, 3]

  Image(int w, int h) : width(w), height(h), pixels(static_cast<size_t>(w) * static_cast<size_t>(h) * 3) {}
  uint8_t* At(int x, int y) {
    return &pixels[(static_cast<size_t>(y) * static_cast<size_t>(width) + static_cast<size_t>(x)) * 3];
  }
  const uint8_t* At(int x, int y) const { return const_cast<Image*>(this)->At(x, y); }
  RgbView view() const { return {pixels.data(), width, height, static_cast<size_t>(width) * 3}; }
  bool operator==(const Image&) const = default;
};

/// Noise with as many black and white pixels as others, so that clipping matters.
inline Image Noise(int width, int height, unsigned seed) {
  Image image(width, height);
  std::mt19937 random(seed);
  for (uint8_t& value : image.pixels) {
    value = static_cast<uint8_t>(std::clamp(static_cast<int>(random() % 512U) - 128, 0, 255));
  }
  return image;
}

/// What the viewer sees, as PIL.ImageOps.exif_transpose. Written as EXIF defines the values: which stored
/// edge the viewer's top row and left column are.
inline Image Orient(const Image& stored, int orientation) {
  const bool turned = orientation >= 5;
  Image seen(turned ? stored.height : stored.width, turned ? stored.width : stored.height);
  for (int y = 0; y < seen.height; ++y) {
    for (int x = 0; x < seen.width; ++x) {
      const int right = stored.width - 1;
      const int bottom = stored.height - 1;
      int sx = x;
      int sy = y;
      if (orientation == 2) sx = right - x;
      if (orientation == 3) sx = right - x, sy = bottom - y;
      if (orientation == 4) sy = bottom - y;
      if (orientation == 5) sx = y, sy = x;
      if (orientation == 6) sx = y, sy = bottom - x;
      if (orientation == 7) sx = right - y, sy = bottom - x;
      if (orientation == 8) sx = right - y, sy = x;
      std::copy_n(stored.At(sx, sy), 3, seen.At(x, y));
    }
  }
  return seen;
}

struct Box {
  float x0, y0, x1, y1;
  int denominator = 1;  ///< of DCT scaling, whose blur is undone
};

inline double Kernel(Filter filter, double x) {
  const double t = std::abs(x);
  if (filter == Filter::kBilinear) return std::max(0.0, 1.0 - t);
  if (filter == Filter::kBicubic) {
    if (t < 1) return 1.5 * t * t * t - 2.5 * t * t + 1.0;
    return t < 2 ? -0.5 * t * t * t + 2.5 * t * t - 4.0 * t + 2.0 : 0.0;
  }
  if (t == 0) return 1.0;
  const double angle = t * std::numbers::pi;
  return t < 3 ? std::sin(angle) / angle * std::sin(angle / 3) / (angle / 3) : 0.0;
}

/// One output position of a resize from [begin, end) of `in_size` pixels to `out_size`.
struct Line {
  int first;
  std::vector<int64_t> coefs;
};
inline Line Coefficients(Filter filter, int in_size, float begin, float end, int out_size, int out,
                         int denominator) {
  const double scale = static_cast<double>(end - begin) / out_size;
  const double stretch = std::max(1.0, scale);
  const double reach = stretch * (filter == Filter::kBilinear ? 1 : filter == Filter::kBicubic ? 2 : 3);
  const double center = static_cast<double>(begin) + (out + 0.5) * scale;
  Line line{std::max(0, static_cast<int>(center - reach + 0.5)), {}};
  const int last = std::min(in_size, static_cast<int>(center + reach + 0.5));
  const auto unsharp = [&](int i) {
    return i < line.first || i >= last ? 0 : Kernel(filter, (i + 0.5 - center) / stretch);
  };
  // Half the variance of a mean of d samples that are 1/d apart; at 1/2 a quarter of it.
  const double sharpening = (1 - std::pow(denominator, -2)) / 12 / 2 * (denominator == 2 ? 0.25 : 1);
  std::vector<double> weights;
  double sum = 0;
  for (int i = line.first; i < last; ++i) {
    const double second_difference = unsharp(i - 1) - 2 * unsharp(i) + unsharp(i + 1);
    weights.push_back(unsharp(i) - sharpening * second_difference);
    sum += weights.back();
  }
  for (const double weight : weights) {
    line.coefs.push_back(static_cast<int64_t>(std::round(weight / sum * 4194304.0)));
  }
  return line;
}

inline uint8_t Clip(int64_t sum) {
  return static_cast<uint8_t>(std::clamp<int64_t>((sum + 2097152) >> 22, 0, 255));
}

/// Image.resize((width, height), filter, box) of 8-bit RGB, which has no box.denominator.
inline Image Resize(const Image& in, int width, int height, Filter filter, const Box& box) {
  Image wide(width, in.height);
  for (int x = 0; x < width; ++x) {
    const Line line = Coefficients(filter, in.width, box.x0, box.x1, width, x, box.denominator);
    for (int y = 0; y < in.height; ++y) {
      for (int c = 0; c < 3; ++c) {
        int64_t sum = 0;
        for (size_t k = 0; k < line.coefs.size(); ++k) {
          sum += line.coefs[k] * in.At(line.first + static_cast<int>(k), y)[c];
        }
        wide.At(x, y)[c] = Clip(sum);
      }
    }
  }
  Image out(width, height);
  for (int y = 0; y < height; ++y) {
    const Line line = Coefficients(filter, in.height, box.y0, box.y1, height, y, box.denominator);
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < 3; ++c) {
        int64_t sum = 0;
        for (size_t k = 0; k < line.coefs.size(); ++k) {
          sum += line.coefs[k] * wide.At(x, line.first + static_cast<int>(k))[c];
        }
        out.At(x, y)[c] = Clip(sum);
      }
    }
  }
  return out;
}

/// The centre, padded with black where the image is smaller; as transformers or as open_clip counts.
inline Image CenterCrop(const Image& in, int size, CropRounding rounding) {
  Image out(size, size);
  const auto offset = [&](int length) {
    const double half = (length - size) / 2.0;
    if (rounding == CropRounding::kDown) return static_cast<int>(std::floor(half));
    return static_cast<int>(length < size ? std::ceil(half) : std::nearbyint(half));
  };
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      const int from_x = x + offset(in.width);
      const int from_y = y + offset(in.height);
      if (from_x < 0 || from_x >= in.width || from_y < 0 || from_y >= in.height) continue;
      std::copy_n(in.At(from_x, from_y), 3, out.At(x, y));
    }
  }
  return out;
}

inline Size SizeFor(int width, int height, const Spec& spec) {
  const int64_t s = spec.resize_short;
  if (spec.mode == ResizeMode::kFixed) return {spec.resize_short, spec.resize_short};
  if (spec.mode == ResizeMode::kLongestEdge) {
    const double ratio = std::max(width, height) / static_cast<double>(s);
    return {std::max(1, static_cast<int>(std::nearbyint(width / ratio))),
            std::max(1, static_cast<int>(std::nearbyint(height / ratio)))};
  }
  if (width <= height) return {spec.resize_short, static_cast<int>(s * height / width)};
  return {static_cast<int>(s * width / height), spec.resize_short};
}

/// All of it, for every mode but kSquash.
inline Image Preprocess(const DecodedPhoto& photo, const Image& stored, const Spec& spec) {
  const Image seen = Orient(stored, photo.orientation);
  const bool turned = photo.orientation >= 5;
  const int full_width = turned ? photo.full_height : photo.full_width;
  const int full_height = turned ? photo.full_width : photo.full_height;
  const auto d = static_cast<float>(photo.scale_denominator);
  const auto extent_x = static_cast<float>(full_width) / d;
  const auto extent_y = static_cast<float>(full_height) / d;
  // The part of the scaled pixels that the photo covers starts at the stored origin.
  const bool from_right =
      photo.orientation == 2 || photo.orientation == 3 || photo.orientation == 6 || photo.orientation == 7;
  const bool from_bottom =
      photo.orientation == 3 || photo.orientation == 4 || photo.orientation == 7 || photo.orientation == 8;
  Box box{0, 0, extent_x, extent_y, photo.scale_denominator};
  if (from_right) box.x0 = static_cast<float>(seen.width) - extent_x, box.x1 = static_cast<float>(seen.width);
  if (from_bottom) {
    box.y0 = static_cast<float>(seen.height) - extent_y;
    box.y1 = static_cast<float>(seen.height);
  }
  const Size size = SizeFor(full_width, full_height, spec);
  return CenterCrop(Resize(seen, size.width, size.height, spec.filter, box), spec.crop, spec.rounding);
}

}  // namespace photovec::preprocess::oracle
