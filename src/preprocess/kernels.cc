// SPDX-License-Identifier: MIT
#include "preprocess/kernels.h"

#include <algorithm>
#include <cstring>

#include "preprocess/kernels_scalar.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "preprocess/kernels.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace photovec::preprocess {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR  // one lane: plain loops are clearer and faster

using scalar::BlockToPairRows;
using scalar::BlockToPixels;
using scalar::FilterColumns;
using scalar::FilterRow;
using scalar::PackColumns;
using scalar::PackRows;
using scalar::SquashColumns;
using scalar::SquashRows;

#else

namespace hn = hwy::HWY_NAMESPACE;

// Vectors of 32-bit sums, at most one block of rows wide.
using D32 = hn::CappedTag<int32_t, kBlockRows>;
using D16 = hn::Repartition<int16_t, D32>;
using V32 = hn::Vec<D32>;
using V16 = hn::Vec<D16>;

// Sums of the two coefficient digits. Highway may spread the products of a pair over two accumulators
// (on x86 it never does, and the second vanishes).
#define PHOTOVEC_DECLARE_SUMS(name)                                                                \
  V32 name##_high = hn::Zero(D32()), name##_high2 = hn::Zero(D32()), name##_low = hn::Zero(D32()), \
      name##_low2 = hn::Zero(D32())

HWY_INLINE void AddPair(V16 pixels, V16 coefs, V32& sum, V32& sum2) {
  sum = hn::ReorderWidenMulAccumulate(D32(), pixels, coefs, sum, sum2);
}
#define PHOTOVEC_ADD_PAIR(name, pixels, high, low)    \
  do {                                                \
    const V16 pair = (pixels);                        \
    AddPair(pair, (high), name##_high, name##_high2); \
    AddPair(pair, (low), name##_low, name##_low2);    \
  } while (false)

HWY_INLINE V16 Coefs(const int32_t* packed) { return hn::BitCast(D16(), hn::Set(D32(), *packed)); }

// Both digits together, rounded; not clipped.
HWY_INLINE V32 Finish(V32 high, V32 high2, V32 low, V32 low2) {
  const V32 half = hn::Set(D32(), 1 << (TapTable::kPrecisionBits - 1));
  const V32 high_sum = hn::RearrangeToOddPlusEven(high, high2);
  const V32 low_sum = hn::Add(hn::RearrangeToOddPlusEven(low, low2), half);
  return hn::ShiftRight<TapTable::kPrecisionBits>(
      hn::Add(hn::ShiftLeft<TapTable::kDigitBits>(high_sum), low_sum));
}
#define PHOTOVEC_FINISH(name) Finish(name##_high, name##_high2, name##_low, name##_low2)

// ---- PackColumns ----

#if HWY_HAVE_SCALABLE
using DBytes = hn::FixedTag<uint8_t, 16>;
#else
using DBytes = hn::CappedTag<uint8_t, 64>;
#endif
constexpr size_t kGroupBytes = 24;  // 4 pixel pairs

// 16 bytes of every fourth row, one row in each 128-bit block.
template <class D>
HWY_INLINE hn::Vec<D> LoadRows(D d, const uint8_t* const* rows, size_t offset) {
  constexpr size_t kBlocks = hn::MaxLanes(D()) / 16;
  if constexpr (kBlocks == 1) {
    return hn::LoadU(d, rows[0] + offset);
  } else {
    const hn::Half<D> half;
    return hn::Combine(d, LoadRows(half, rows + 4 * (kBlocks / 2), offset), LoadRows(half, rows, offset));
  }
}

// Four of the twelve (pair, channel) columns of a group. `shuffle` picks, from the 16 bytes at `offset`, the
// two pixels of each and widens them to 16 bits.
HWY_INLINE void PackFour(const uint8_t* const* rows, size_t offset, const uint8_t* shuffle, int16_t* out) {
  const DBytes d8;
  const hn::Repartition<int32_t, DBytes> d32;
  const hn::Repartition<int64_t, DBytes> d64;
  const auto table = hn::LoadDup128(d8, shuffle);
  const auto row0 = hn::BitCast(d32, hn::TableLookupBytesOr0(LoadRows(d8, rows + 0, offset), table));
  const auto row1 = hn::BitCast(d32, hn::TableLookupBytesOr0(LoadRows(d8, rows + 1, offset), table));
  const auto row2 = hn::BitCast(d32, hn::TableLookupBytesOr0(LoadRows(d8, rows + 2, offset), table));
  const auto row3 = hn::BitCast(d32, hn::TableLookupBytesOr0(LoadRows(d8, rows + 3, offset), table));
  const auto low01 = hn::BitCast(d64, hn::InterleaveLower(d32, row0, row1));
  const auto low23 = hn::BitCast(d64, hn::InterleaveLower(d32, row2, row3));
  const auto high01 = hn::BitCast(d64, hn::InterleaveUpper(d32, row0, row1));
  const auto high23 = hn::BitCast(d64, hn::InterleaveUpper(d32, row2, row3));
  int32_t* to = reinterpret_cast<int32_t*>(out);
  hn::Store(hn::BitCast(d32, hn::InterleaveLower(d64, low01, low23)), d32, to);
  hn::Store(hn::BitCast(d32, hn::InterleaveUpper(d64, low01, low23)), d32, to + kBlockRows);
  hn::Store(hn::BitCast(d32, hn::InterleaveLower(d64, high01, high23)), d32, to + 2 * kBlockRows);
  hn::Store(hn::BitCast(d32, hn::InterleaveUpper(d64, high01, high23)), d32, to + 3 * kBlockRows);
}

// 4 pixel pairs of 16 rows: 24 bytes at `offset` of each row.
HWY_INLINE void PackGroup(const uint8_t* const* rows, size_t offset, int16_t* out) {
  constexpr uint8_t z = 0x80;
  // (pair, channel) 0R 0G 0B 1R | 1G 1B 2R 2G | 2B 3R 3G 3B, from the bytes at 0, 6 and 8.
  alignas(16) static constexpr uint8_t kShuffle[3][16] = {
      {0, z, 3, z, 1, z, 4, z, 2, z, 5, z, 6, z, 9, z},
      {1, z, 4, z, 2, z, 5, z, 6, z, 9, z, 7, z, 10, z},
      {6, z, 9, z, 10, z, 13, z, 11, z, 14, z, 12, z, 15, z}};
  constexpr size_t kColumn = kBlockRows * 2;
  constexpr size_t kRowsAtOnce = hn::MaxLanes(DBytes()) / 4;
  for (size_t row = 0; row < kBlockRows; row += kRowsAtOnce) {
    PackFour(rows + row, offset, kShuffle[0], out + row * 2);
    PackFour(rows + row, offset + 6, kShuffle[1], out + row * 2 + 4 * kColumn);
    PackFour(rows + row, offset + 8, kShuffle[2], out + row * 2 + 8 * kColumn);
  }
}

void PackColumns(const uint8_t* const* rows, size_t bytes, int pairs, int16_t* packed) {
  constexpr size_t kGroupSize = 4 * 3 * kBlockRows * 2;
  const size_t need = static_cast<size_t>(pairs) * 6;
  size_t offset = 0;
  for (; offset < need && offset + kGroupBytes <= bytes; offset += kGroupBytes) {
    PackGroup(rows, offset, packed);
    packed += kGroupSize;
  }
  // The rest of each row is copied to where reading beyond it is allowed.
  for (; offset < need; offset += kGroupBytes) {
    uint8_t tail[kBlockRows][kGroupBytes] = {};
    const uint8_t* tail_rows[kBlockRows];
    for (size_t r = 0; r < kBlockRows; ++r) {
      if (offset < bytes) std::memcpy(tail[r], rows[r] + offset, std::min(bytes - offset, kGroupBytes));
      tail_rows[r] = tail[r];
    }
    PackGroup(tail_rows, 0, packed);
    packed += kGroupSize;
  }
}

// ---- FilterColumns ----

void FilterColumns(const TapTable& table, const int16_t* packed, int16_t* block) {
  constexpr size_t kPair = 3 * kBlockRows * 2;
  const D32 d32;
  const D16 d16;
  const hn::Rebind<int16_t, D32> d_out;
  const size_t step = hn::Lanes(d32);
  const V32 zero = hn::Zero(d32);
  const V32 white = hn::Set(d32, 255);
  for (const Tap& tap : table.taps) {
    const int32_t* coefs = table.coefs.data() + tap.coefs;
    const int32_t* coefs_end = coefs + 2 * tap.pairs;
    int16_t* out = block + static_cast<size_t>(tap.out) * 3 * kBlockRows;
    for (size_t row = 0; row < kBlockRows; row += step) {
      const int16_t* from = packed + static_cast<size_t>(tap.first_pair) * kPair + row * 2;
      PHOTOVEC_DECLARE_SUMS(r);
      PHOTOVEC_DECLARE_SUMS(g);
      PHOTOVEC_DECLARE_SUMS(b);
      for (const int32_t* c = coefs; c != coefs_end; c += 2, from += kPair) {
        const V16 high = Coefs(c);
        const V16 low = Coefs(c + 1);
        PHOTOVEC_ADD_PAIR(r, hn::Load(d16, from), high, low);
        PHOTOVEC_ADD_PAIR(g, hn::Load(d16, from + 2 * kBlockRows), high, low);
        PHOTOVEC_ADD_PAIR(b, hn::Load(d16, from + 4 * kBlockRows), high, low);
      }
      const auto store = [&](V32 sum, int16_t* to) HWY_ATTR {
        hn::Store(hn::DemoteTo(d_out, hn::Min(hn::Max(sum, zero), white)), d_out, to + row);
      };
      store(PHOTOVEC_FINISH(r), out);
      store(PHOTOVEC_FINISH(g), out + kBlockRows);
      store(PHOTOVEC_FINISH(b), out + 2 * kBlockRows);
    }
  }
}

void BlockToPairRows(const int16_t* block, size_t lanes, int32_t* const* pair_rows) {
  const hn::FixedTag<int32_t, 4> d32;
  const hn::FixedTag<int64_t, 2> d64;
  for (size_t lane = 0; lane < lanes; lane += 4) {
    const int32_t* from = reinterpret_cast<const int32_t*>(block + lane * kBlockRows);
    for (size_t q = 0; q < kBlockPairs; q += 4) {
      const auto lane0 = hn::Load(d32, from + q);
      const auto lane1 = hn::Load(d32, from + q + kBlockPairs);
      const auto lane2 = hn::Load(d32, from + q + 2 * kBlockPairs);
      const auto lane3 = hn::Load(d32, from + q + 3 * kBlockPairs);
      const auto low01 = hn::BitCast(d64, hn::InterleaveLower(d32, lane0, lane1));
      const auto low23 = hn::BitCast(d64, hn::InterleaveLower(d32, lane2, lane3));
      const auto high01 = hn::BitCast(d64, hn::InterleaveUpper(d32, lane0, lane1));
      const auto high23 = hn::BitCast(d64, hn::InterleaveUpper(d32, lane2, lane3));
      hn::Store(hn::BitCast(d32, hn::InterleaveLower(d64, low01, low23)), d32, pair_rows[q] + lane);
      hn::Store(hn::BitCast(d32, hn::InterleaveUpper(d64, low01, low23)), d32, pair_rows[q + 1] + lane);
      hn::Store(hn::BitCast(d32, hn::InterleaveLower(d64, high01, high23)), d32, pair_rows[q + 2] + lane);
      hn::Store(hn::BitCast(d32, hn::InterleaveUpper(d64, high01, high23)), d32, pair_rows[q + 3] + lane);
    }
  }
}

void BlockToPixels(const int16_t* block, int count, uint8_t* out, size_t stride) {
  const hn::CappedTag<int16_t, kBlockRows> d16;
  const hn::Rebind<uint8_t, decltype(d16)> d8;
  const size_t step = hn::Lanes(d16);
  for (int i = 0; i < count; ++i, block += 3 * kBlockRows, out += stride) {
    for (size_t row = 0; row < kBlockRows; row += step) {
      const auto r = hn::DemoteTo(d8, hn::Load(d16, block + row));
      const auto g = hn::DemoteTo(d8, hn::Load(d16, block + kBlockRows + row));
      const auto b = hn::DemoteTo(d8, hn::Load(d16, block + 2 * kBlockRows + row));
      hn::StoreInterleaved3(r, g, b, d8, out + row * 3);
    }
  }
}

// ---- FilterRow ----

void PackRows(const uint8_t* first, const uint8_t* second, size_t lanes, int32_t* pair_row) {
  const D32 d32;
  const hn::Rebind<uint8_t, D32> d8;
  const size_t step = hn::Lanes(d32);
  size_t lane = 0;
  for (; lane + step <= lanes; lane += step) {
    const V32 low = hn::PromoteTo(d32, hn::LoadU(d8, first + lane));
    const V32 high = hn::PromoteTo(d32, hn::LoadU(d8, second + lane));
    hn::Store(hn::Or(low, hn::ShiftLeft<16>(high)), d32, pair_row + lane);
  }
  for (; lane < lanes; ++lane) pair_row[lane] = first[lane] | (second[lane] << 16);
}

HWY_INLINE V16 LoadPairs(const int32_t* pairs) { return hn::BitCast(D16(), hn::Load(D32(), pairs)); }

void FilterRow(const Tap& tap, const int32_t* coefs, const int32_t* const* pair_rows, size_t lanes,
               uint8_t* out) {
  const D32 d32;
  const hn::Rebind<uint8_t, D32> d_out;
  const size_t step = hn::Lanes(d32);
  const auto pairs = static_cast<size_t>(tap.pairs);
  size_t lane = 0;
  for (; lane + 4 * step <= lanes; lane += 4 * step) {
    PHOTOVEC_DECLARE_SUMS(a);
    PHOTOVEC_DECLARE_SUMS(b);
    PHOTOVEC_DECLARE_SUMS(c);
    PHOTOVEC_DECLARE_SUMS(d);
    for (size_t p = 0; p < pairs; ++p) {
      const int32_t* from = pair_rows[p] + lane;
      const V16 high = Coefs(coefs + 2 * p);
      const V16 low = Coefs(coefs + 2 * p + 1);
      PHOTOVEC_ADD_PAIR(a, LoadPairs(from), high, low);
      PHOTOVEC_ADD_PAIR(b, LoadPairs(from + step), high, low);
      PHOTOVEC_ADD_PAIR(c, LoadPairs(from + 2 * step), high, low);
      PHOTOVEC_ADD_PAIR(d, LoadPairs(from + 3 * step), high, low);
    }
    hn::StoreU(hn::DemoteTo(d_out, PHOTOVEC_FINISH(a)), d_out, out + lane);
    hn::StoreU(hn::DemoteTo(d_out, PHOTOVEC_FINISH(b)), d_out, out + lane + step);
    hn::StoreU(hn::DemoteTo(d_out, PHOTOVEC_FINISH(c)), d_out, out + lane + 2 * step);
    hn::StoreU(hn::DemoteTo(d_out, PHOTOVEC_FINISH(d)), d_out, out + lane + 3 * step);
  }
  for (; lane < lanes; lane += step) {
    PHOTOVEC_DECLARE_SUMS(a);
    for (size_t p = 0; p < pairs; ++p) {
      PHOTOVEC_ADD_PAIR(a, LoadPairs(pair_rows[p] + lane), Coefs(coefs + 2 * p), Coefs(coefs + 2 * p + 1));
    }
    hn::StoreU(hn::DemoteTo(d_out, PHOTOVEC_FINISH(a)), d_out, out + lane);
  }
}

// ---- Squash ----

void SquashColumns(const CubicTap* taps, size_t count, const uint8_t* row, int width, int32_t* row_sums) {
  const hn::FixedTag<uint8_t, 16> d8;
  const hn::FixedTag<int16_t, 8> d16;
  const hn::FixedTag<int32_t, 4> d32;
  constexpr uint8_t z = 0x80;
  // Pixels 0 and 1, then 2 and 3: R R G G B B - -, widened to 16 bits.
  alignas(16) static constexpr uint8_t kShuffle[2][16] = {{0, z, 3, z, 1, z, 4, z, 2, z, 5, z, z, z, z, z},
                                                          {6, z, 9, z, 7, z, 10, z, 8, z, 11, z, z, z, z, z}};
  const auto first_table = hn::Load(d8, kShuffle[0]);
  const auto second_table = hn::Load(d8, kShuffle[1]);
  for (size_t i = 0; i < count; ++i) {
    const CubicTap& tap = taps[i];
    // 16 bytes are loaded though 12 count, so the last pixels of a row go the way of the border.
    uint8_t border[16] = {};
    const uint8_t* from = border;
    if (tap.first >= 0 && tap.first * 3 + 16 <= width * 3) {
      from = row + tap.first * 3;
    } else {
      for (int k = 0; k < 4; ++k) {
        std::memcpy(border + 3 * k, row + 3 * std::clamp(tap.first + k, 0, width - 1), 3);
      }
    }
    const auto pixels = hn::LoadU(d8, from);
    const auto first = hn::BitCast(d16, hn::TableLookupBytesOr0(pixels, first_table));
    const auto second = hn::BitCast(d16, hn::TableLookupBytesOr0(pixels, second_table));
    int32_t coefs[2];
    std::memcpy(coefs, tap.coefs, sizeof coefs);
    auto sum2 = hn::Zero(d32);
    auto sum = hn::ReorderWidenMulAccumulate(d32, first, hn::BitCast(d16, hn::Set(d32, coefs[0])),
                                             hn::Zero(d32), sum2);
    sum = hn::ReorderWidenMulAccumulate(d32, second, hn::BitCast(d16, hn::Set(d32, coefs[1])), sum, sum2);
    hn::StoreU(hn::RearrangeToOddPlusEven(sum, sum2), d32, row_sums + 4 * i);
  }
}

void SquashRows(const CubicTap& tap, const int32_t* const* row_sums, size_t lanes, uint8_t* out) {
  const D32 d32;
  const hn::Rebind<uint8_t, D32> d_out;
  for (size_t lane = 0; lane < lanes; lane += hn::Lanes(d32)) {
    V32 sum = hn::Set(d32, 1 << 21);
    for (size_t k = 0; k < 4; ++k) {
      sum = hn::Add(sum, hn::Mul(hn::LoadU(d32, row_sums[k] + lane), hn::Set(d32, tap.coefs[k])));
    }
    hn::StoreU(hn::DemoteTo(d_out, hn::ShiftRight<22>(sum)), d_out, out + lane);
  }
}

#undef PHOTOVEC_DECLARE_SUMS
#undef PHOTOVEC_ADD_PAIR
#undef PHOTOVEC_FINISH

#endif  // HWY_TARGET

}  // namespace HWY_NAMESPACE
}  // namespace photovec::preprocess
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace photovec::preprocess {
namespace {

HWY_EXPORT(PackColumns);
HWY_EXPORT(FilterColumns);
HWY_EXPORT(BlockToPairRows);
HWY_EXPORT(BlockToPixels);
HWY_EXPORT(PackRows);
HWY_EXPORT(FilterRow);
HWY_EXPORT(SquashColumns);
HWY_EXPORT(SquashRows);

}  // namespace

void PackColumns(const uint8_t* const rows[kBlockRows], size_t bytes, int pairs, int16_t* packed) {
  HWY_DYNAMIC_DISPATCH(PackColumns)(rows, bytes, pairs, packed);
}
void FilterColumns(const TapTable& table, const int16_t* packed, int16_t* block) {
  HWY_DYNAMIC_DISPATCH(FilterColumns)(table, packed, block);
}
void BlockToPairRows(const int16_t* block, size_t lanes, int32_t* const pair_rows[kBlockPairs]) {
  HWY_DYNAMIC_DISPATCH(BlockToPairRows)(block, lanes, pair_rows);
}
void BlockToPixels(const int16_t* block, int count, uint8_t* out, size_t stride) {
  HWY_DYNAMIC_DISPATCH(BlockToPixels)(block, count, out, stride);
}
void PackRows(const uint8_t* first, const uint8_t* second, size_t lanes, int32_t* pair_row) {
  HWY_DYNAMIC_DISPATCH(PackRows)(first, second, lanes, pair_row);
}
void FilterRow(const Tap& tap, const int32_t* coefs, const int32_t* const* pair_rows, size_t lanes,
               uint8_t* out) {
  HWY_DYNAMIC_DISPATCH(FilterRow)(tap, coefs, pair_rows, lanes, out);
}
void SquashColumns(const CubicTap* taps, size_t count, const uint8_t* row, int width, int32_t* row_sums) {
  HWY_DYNAMIC_DISPATCH(SquashColumns)(taps, count, row, width, row_sums);
}
void SquashRows(const CubicTap& tap, const int32_t* const row_sums[4], size_t lanes, uint8_t* out) {
  HWY_DYNAMIC_DISPATCH(SquashRows)(tap, row_sums, lanes, out);
}

}  // namespace photovec::preprocess
#endif  // HWY_ONCE
