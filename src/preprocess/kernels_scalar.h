// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "preprocess/kernels.h"

/// The kernels of kernels.h in plain loops: what runs where Highway has no vectors, and the oracle that tests
/// hold every SIMD target against. Same contracts, same results bit for bit.
namespace photovec::preprocess::scalar {

void PackColumns(const uint8_t* const* rows, size_t bytes, int pairs, int16_t* packed);
void FilterColumns(const TapTable& table, const int16_t* packed, int16_t* block);
void BlockToPairRows(const int16_t* block, size_t lanes, int32_t* const* pair_rows);
void BlockToPixels(const int16_t* block, int count, uint8_t* out, size_t stride);
void PackRows(const uint8_t* first, const uint8_t* second, size_t lanes, int32_t* pair_row);
void FilterRow(const Tap& tap, const int32_t* coefs, const int32_t* const* pair_rows, size_t lanes,
               uint8_t* out);
void SquashColumns(const CubicTap* taps, size_t count, const uint8_t* row, int width, int32_t* row_sums);
void SquashRows(const CubicTap& tap, const int32_t* const* row_sums, size_t lanes, uint8_t* out);

}  // namespace photovec::preprocess::scalar
