// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "preprocess/spec.h"

namespace photovec::preprocess {

/// Everything that the coefficients of one axis depend on. "Oriented" is what the viewer sees, after EXIF.
struct AxisKey {
  int in_size = 0;      ///< source pixels along this axis
  float box_begin = 0;  ///< the part of them that is resized, in oriented coordinates; as Pillow's `box`
  float box_end = 0;    ///< 0 <= box_begin < box_end <= in_size
  int out_size = 0;     ///< pixels of the whole resized axis
  int out_begin = 0;    ///< first of the pixels that the crop keeps
  int out_count = 0;    ///< how many it keeps, >= 1
  Filter filter = Filter::kBicubic;
  bool mirrored = false;  ///< the source runs against the oriented direction
  int denominator = 1;    ///< each source pixel stands for this many of the photo: 1, 2, 4 or 8

  bool operator==(const AxisKey&) const = default;
};

/// One output pixel: a weighted sum over `pairs` consecutive pairs of input pixels. GPUs read it as it is.
struct Tap {
  int out = 0;         ///< 0 <= out < AxisKey::out_count
  int first_pair = 0;  ///< pair p holds inputs first_in + 2p and first_in + 2p + 1
  int pairs = 0;
  uint32_t coefs = 0;  ///< index into TapTable::coefs of 2 * pairs values
};

/// The coefficients of one axis, in the order of the source: Pillow's 8-bit fixed point with 22 fractional
/// bits.
///
/// A coefficient c is kept as two 16-bit digits, c = high * 2^11 + low with |low| <= 2^10, so that SIMD can
/// multiply pairs of 16-bit values. Sums stay exact: integer addition is exact modulo 2^32 in any order, and
/// the whole sum fits in 32 bits. For pair k of a tap, coefs[2k] holds the high digits of both pixels (first
/// pixel in the low half) and coefs[2k + 1] the low digits.
struct TapTable {
  static constexpr int kPrecisionBits = 22;
  static constexpr int kDigitBits = 11;

  int first_in = 0;       ///< first source pixel that any tap reads
  int end_in = 0;         ///< one past the last
  int max_pairs = 0;      ///< of any tap
  std::vector<Tap> taps;  ///< first_pair never decreases
  std::vector<int32_t> coefs;

  int in_pairs() const { return (end_in - first_in + 1) / 2; }
};

/// Computes the table. The key must be consistent (see its fields). Source: the resampling of Pillow 9.4,
/// whose rounding this repeats: window borders and weights in double, weights normalised, then rounded half
/// away from zero. With a denominator d > 1 the filter also undoes the blur of the DCT-scaled picture: its
/// pixels are means of d photo pixels, which is a blur of variance v = (1 - 1/d^2) / 12 in units of its own
/// pixels, and f - v/2 f'' (as differences between neighbours) takes it back to second order. At 1/2 a
/// quarter of that is best for the worst photo: more costs noise and dithering what it gives to edges.
TapTable BuildTapTable(const AxisKey& key);

/// The last few tables. Photos of one camera share them. Not thread-safe.
class TapCache {
 public:
  /// Valid until the third call after this one.
  const TapTable& Get(const AxisKey& key);

 private:
  struct Entry {
    AxisKey key;
    TapTable table;
    uint64_t last_use = 0;
  };
  static constexpr size_t kCapacity = 16;
  std::array<std::unique_ptr<Entry>, kCapacity> entries_;
  uint64_t clock_ = 0;
};

}  // namespace photovec::preprocess
