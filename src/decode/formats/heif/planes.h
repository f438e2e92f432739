// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "decode/formats/heif/bitstream.h"

namespace photovec::decode {

/// A decoded picture before its colours are made: Y', or G, B, R for matrix 0; then Cb and Cr. Samples of 8
/// bits in bytes, more in uint16_t of the machine's order. Borrowed.
struct HeifPlanes {
  struct Plane {
    const uint8_t* data = nullptr;
    size_t stride = 0;  ///< bytes
  };
  int width = 0;
  int height = 0;
  int bits = 8;    ///< 8 to 16
  int chroma = 1;  ///< 0 grey, 1 4:2:0, 2 4:2:2, 3 4:4:4
  /// The chroma planes have the full size, each of their samples there 2 x 2 (4:2:0) or 2 x 1 times.
  bool repeated = false;
  std::array<Plane, 3> plane;  ///< the last two unused when grey
};

/// Makes 8-bit RGB of planes, rounded to the nearest level, as ITU-T H.273 §8.3 defines it.
///
/// Chroma of half size is upsampled as the reader does that people use: linear, as libavif does (AVIF), or
/// repeated, as libheif does (HEIC). Unspecified matrices are BT.601's, as both have it.
class PlanesToRgb {
 public:
  /// kUnsupportedFormat for a matrix that is no matrix of Y'CbCr (ICtCp, constant luminance); names it.
  static Status CheckMatrix(const ColourCode& colour);

  /// \param planes borrowed.
  /// \param smooth whether chroma is upsampled linearly.
  PlanesToRgb(const HeifPlanes& planes, const ColourCode& colour, bool smooth);

  /// One row of `planes.width` pixels to rgb[3 * width].
  void Row(int y, uint8_t* rgb);
  /// One row of the first plane alone, as it is or stretched from the limited range, to out[width].
  void GreyRow(int y, uint8_t* out);

 private:
  /// Row `y` of a plane of chroma, upsampled to `out`.
  void ChromaRow(const HeifPlanes::Plane& plane, int y, int32_t* out);
  void LumaRow(int y, int32_t* out) const;

  const HeifPlanes planes_;
  const bool smooth_;
  enum class Kind { kGrey, kGbr, kYCgCo, kMatrix };
  Kind kind_ = Kind::kMatrix;
  // In 2^-20 levels of 8 bits:
  int32_t luma_scale_ = 0;
  int32_t luma_zero_ = 0;  // samples
  int32_t chroma_zero_ = 0;
  int32_t red_cr_ = 0;
  int32_t green_cb_ = 0;
  int32_t green_cr_ = 0;
  int32_t blue_cb_ = 0;
  std::vector<int32_t> luma_;
  std::array<std::vector<int32_t>, 2> chroma_;
  std::vector<int32_t> mixed_;  // two rows of chroma, weighted
};

}  // namespace photovec::decode
