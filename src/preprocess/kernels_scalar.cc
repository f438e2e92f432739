// SPDX-License-Identifier: MIT
#include "preprocess/kernels_scalar.h"

#include <algorithm>

namespace photovec::preprocess::scalar {
namespace {

constexpr size_t kRows = kBlockRows;

int32_t LowHalf(int32_t pair) { return static_cast<int16_t>(pair & 0xFFFF); }
int32_t HighHalf(int32_t pair) { return pair >> 16; }

/// The product sum of one pair of pixels with both digits of its two coefficients.
int32_t PairSum(int32_t first, int32_t second, const int32_t* coefs) {
  const int32_t high = first * LowHalf(coefs[0]) + second * HighHalf(coefs[0]);
  const int32_t low = first * LowHalf(coefs[1]) + second * HighHalf(coefs[1]);
  return high * (1 << TapTable::kDigitBits) + low;
}

uint8_t RoundAndClip(int32_t sum) {
  return static_cast<uint8_t>(
      std::clamp((sum + (1 << (TapTable::kPrecisionBits - 1))) >> TapTable::kPrecisionBits, 0, 255));
}

}  // namespace

void PackColumns(const uint8_t* const* rows, size_t bytes, int pairs, int16_t* packed) {
  const size_t values = PackedColumnsSize(pairs) / (2 * kRows);
  for (size_t i = 0; i < values; ++i) {
    const size_t offset = i / 3 * 6 + i % 3;
    for (size_t r = 0; r < kRows; ++r) {
      *packed++ = offset < bytes ? rows[r][offset] : int16_t{0};
      *packed++ = offset + 3 < bytes ? rows[r][offset + 3] : int16_t{0};
    }
  }
}

void FilterColumns(const TapTable& table, const int16_t* packed, int16_t* block) {
  for (const Tap& tap : table.taps) {
    const int32_t* coefs = table.coefs.data() + tap.coefs;
    for (size_t lane = 0; lane < 3 * kRows; ++lane) {
      const int16_t* from = packed + (static_cast<size_t>(tap.first_pair) * 3 * kRows + lane) * 2;
      int32_t sum = 0;
      for (int p = 0; p < tap.pairs; ++p) {
        sum += PairSum(from[0], from[1], coefs + 2 * p);
        from += 3 * kRows * 2;
      }
      block[static_cast<size_t>(tap.out) * 3 * kRows + lane] = RoundAndClip(sum);
    }
  }
}

void BlockToPairRows(const int16_t* block, size_t lanes, int32_t* const* pair_rows) {
  for (size_t lane = 0; lane < lanes; ++lane) {
    for (size_t q = 0; q < kBlockPairs; ++q) {
      pair_rows[q][lane] = block[lane * kRows + 2 * q] | (block[lane * kRows + 2 * q + 1] << 16);
    }
  }
}

void BlockToPixels(const int16_t* block, int count, uint8_t* out, size_t stride) {
  for (int i = 0; i < count; ++i, block += 3 * kRows, out += stride) {
    for (size_t row = 0; row < kRows; ++row) {
      for (size_t c = 0; c < 3; ++c) out[row * 3 + c] = static_cast<uint8_t>(block[c * kRows + row]);
    }
  }
}

void PackRows(const uint8_t* first, const uint8_t* second, size_t lanes, int32_t* pair_row) {
  for (size_t lane = 0; lane < lanes; ++lane) pair_row[lane] = first[lane] | (second[lane] << 16);
}

void FilterRow(const Tap& tap, const int32_t* coefs, const int32_t* const* pair_rows, size_t lanes,
               uint8_t* out) {
  for (size_t lane = 0; lane < lanes; ++lane) {
    int32_t sum = 0;
    for (int p = 0; p < tap.pairs; ++p) {
      const int32_t pixels = pair_rows[p][lane];
      sum += PairSum(LowHalf(pixels), HighHalf(pixels), coefs + 2 * p);
    }
    out[lane] = RoundAndClip(sum);
  }
}

void SquashColumns(const CubicTap* taps, size_t count, const uint8_t* row, int width, int32_t* row_sums) {
  for (size_t i = 0; i < count; ++i) {
    for (int c = 0; c < 4; ++c) {
      int32_t sum = 0;
      for (int k = 0; k < 4 && c < 3; ++k) {
        sum += taps[i].coefs[k] * row[3 * std::clamp(taps[i].first + k, 0, width - 1) + c];
      }
      row_sums[4 * i + static_cast<size_t>(c)] = sum;
    }
  }
}

void SquashRows(const CubicTap& tap, const int32_t* const* row_sums, size_t lanes, uint8_t* out) {
  for (size_t lane = 0; lane < lanes; ++lane) {
    int32_t sum = 1 << 21;
    for (size_t k = 0; k < 4; ++k) sum += row_sums[k][lane] * tap.coefs[k];
    out[lane] = static_cast<uint8_t>(std::clamp(sum >> 22, 0, 255));
  }
}

}  // namespace photovec::preprocess::scalar
