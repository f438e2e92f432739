// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/image.h"
#include "base/status.h"
#include "decode/decoder.h"
#include "decode/formats/heif/plan.h"

namespace photovec::decode {

/// Where the pixels of a picture go: an affine walk over somebody's memory, so that turns, mirrors and crops
/// cost nothing and grids are written in place. Pixel (x, y) goes to base + origin + x * step_x + y * step_y
/// if it lies in the window [left, right) x [top, bottom).
struct HeifCanvas {
  uint8_t* base = nullptr;
  int pixel_bytes = 3;
  int64_t origin = 0;
  int64_t step_x = 0;
  int64_t step_y = 0;
  int64_t left = 0;
  int64_t top = 0;
  int64_t right = 0;
  int64_t bottom = 0;

  /// All of an image of tight rows.
  static HeifCanvas Of(uint8_t* base, int pixel_bytes, const HeifSize& size);
  /// The canvas of the pixels before `step`, whose size was `before`.
  HeifCanvas Before(const HeifStep& step, const HeifSize& before) const;
  /// The canvas of a part whose first pixel lies at (x, y) of this one.
  HeifCanvas At(int64_t x, int64_t y) const;

  void PutRow(int64_t y, int64_t width, const uint8_t* pixels) const;
  /// The same pixel for pixel, with what is there: mix(x, to, pixel).
  template <typename Mix>
  void MixRow(int64_t y, int64_t width, const uint8_t* pixels, const Mix& mix) const {
    if (y < top || y >= bottom) return;
    for (int64_t x = std::max<int64_t>(left, 0); x < std::min(right, width); ++x) {
      mix(x, base + (origin + x * step_x + y * step_y), pixels + x * pixel_bytes);
    }
  }
  void Fill(const HeifSize& size, const uint8_t* pixel) const;
};

/// A transparency, one byte a pixel: 255 is opaque.
struct HeifCoverage {
  std::vector<uint8_t> levels;
  HeifSize size;
  /// At pixel (x, y) of an image of `image` pixels, which may be another size.
  uint8_t At(int64_t x, int64_t y, const HeifSize& image) const {
    const int64_t from_x = x * size.width / image.width;
    const int64_t from_y = y * size.height / image.height;
    return levels[static_cast<size_t>(from_y * size.width + from_x)];
  }
};

/// Decodes a plan, one coded picture after another: only one of them is in memory beside the result. For one
/// photo; borrows the plan and the file. EnableHeif() has been called.
class HeifRenderer {
 public:
  /// \param scale_denominator up to HeifFacts::max_scale. Each coded picture is reduced by it before it goes to its
  ///                          place, so that the whole never is in memory.
  HeifRenderer(const HeifPlan& plan, const Limits& limits, int scale_denominator)
      : plan_(plan), limits_(limits), scale_(scale_denominator) {}

  /// Fills `out`, which has the size node.shown, divided by the scale denominator and rounded up.
  /// Errors: kImageCorrupt, kUnsupportedFormat, kDecodeLimit; `out` is then undefined.
  Status Colour(const HeifNode& node, RgbImage* out);
  /// The transparency of a node that has one; not scaled.
  Status Alpha(const HeifNode& node, HeifCoverage* out);

 private:
  Status Render(const HeifNode& node, HeifCanvas canvas, bool alpha);
  Status Coded(const HeifNode& node, const HeifCanvas& canvas, bool alpha);
  /// Lays a picture with transparency over what is there.
  Status Blend(const HeifNode& node, const HeifCanvas& canvas);

  HeifSize Scaled(const HeifSize& size) const {
    return {(size.width + scale_ - 1) / scale_, (size.height + scale_ - 1) / scale_};
  }

  const HeifPlan& plan_;
  const Limits& limits_;
  const int scale_;
};

}  // namespace photovec::decode
