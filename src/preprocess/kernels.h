// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "preprocess/taps.h"

// The arithmetic of resizing, in SIMD chosen at run time (Highway). No checks here: callers guarantee the
// bounds.
//
// Both passes multiply pairs of neighbouring inputs, kept side by side as 16-bit values, with pairs of
// coefficient digits (see TapTable). Vectors run across pixels that share coefficients: along a row in the
// pass over rows, and down 16 rows at once in the pass over columns, for which blocks of 16 rows are
// transposed first. So no lane is wasted and nothing is summed across lanes.
namespace photovec::preprocess {

inline constexpr int kBlockRows = 16;
inline constexpr int kBlockPairs = kBlockRows / 2;
/// Row lengths that FilterRow works on are rounded up to a multiple of this many lanes.
inline constexpr size_t kLaneStep = 16;

constexpr size_t RoundUpLanes(size_t lanes) { return (lanes + kLaneStep - 1) / kLaneStep * kLaneStep; }

/// How much PackColumns writes for `pairs` column pairs, in 16-bit values.
constexpr size_t PackedColumnsSize(int pairs) {
  return (static_cast<size_t>(pairs) + 3) / 4 * 4 * 3 * kBlockRows * 2;
}

/// Transposes 16 rows of RGB: packed[pair][channel][row][2] holds the values of pixels 2 * pair and
/// 2 * pair + 1.
/// \param rows 16 rows with `bytes` readable bytes each; pixels beyond are taken as 0.
/// \param packed 64-byte aligned, PackedColumnsSize(pairs) values.
void PackColumns(const uint8_t* const rows[kBlockRows], size_t bytes, int pairs, int16_t* packed);

/// Applies the table to packed columns: block[out][channel][row] = 0..255.
/// \param block 64-byte aligned.
void FilterColumns(const TapTable& table, const int16_t* packed, int16_t* block);

/// Turns block[lane][row] (lane = out * 3 + channel) into 8 pair rows: pair_rows[q][lane] holds rows 2q (low
/// half) and 2q + 1.
/// \param lanes is rounded up to a multiple of 4; pair rows are 16-byte aligned.
void BlockToPairRows(const int16_t* block, size_t lanes, int32_t* const pair_rows[kBlockPairs]);

/// Turns block[out][channel][row] into `count` rows of 16 RGB pixels: out[i * stride + row * 3 + channel].
/// \param count how many outs.
/// \param stride bytes, >= 48.
void BlockToPixels(const int16_t* block, int count, uint8_t* out, size_t stride);

/// Pairs two rows: pair_row[lane] = first[lane] in the low half, second[lane] in the high half.
void PackRows(const uint8_t* first, const uint8_t* second, size_t lanes, int32_t* pair_row);

/// out[lane] = the tap's sum over its pair rows, rounded and clipped.
/// \param coefs the tap's;
/// \param lanes a
/// multiple of kLaneStep; `out` and all pair rows have that many, and pair rows are 64-byte aligned.
void FilterRow(const Tap& tap, const int32_t* coefs, const int32_t* const* pair_rows, size_t lanes,
               uint8_t* out);

/// One output column of a squash: four neighbouring pixels.
struct CubicTap {
  int first = 0;                    ///< first source pixel; may lie outside, borders are replicated
  int16_t coefs[4] = {0, 0, 0, 0};  ///< 11 fractional bits
};

/// row_sums[4 * i + channel] = the i-th tap's sum over a row of `width` RGB pixels, not rounded.
void SquashColumns(const CubicTap* taps, size_t count, const uint8_t* row, int width, int32_t* row_sums);

/// out[lane] = the sum over four row_sums with 11 + 11 fractional bits, rounded and clipped.
/// \param lanes a multiple of kLaneStep.
void SquashRows(const CubicTap& tap, const int32_t* const row_sums[4], size_t lanes, uint8_t* out);

}  // namespace photovec::preprocess
