// SPDX-License-Identifier: MIT
#include "decode/formats/jpeg/own/idct.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "decode/formats/jpeg/own/idct.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace photovec::decode::jpeg {
namespace HWY_NAMESPACE {

#if HWY_TARGET != HWY_SCALAR  // SupportedHere() is false there

namespace hn = hwy::HWY_NAMESPACE;

using D16 = hn::CappedTag<int16_t, kLanes>;
using D32 = hn::RepartitionToWide<D16>;
using D8 = hn::Repartition<int8_t, D16>;
using DU16 = hn::Repartition<uint16_t, D16>;
using V16 = hn::Vec<D16>;
using V32 = hn::Vec<D32>;
using V8 = hn::Vec<D8>;
constexpr D16 d16;
constexpr D32 d32;
constexpr D8 d8;
constexpr DU16 du16;
constexpr hn::Repartition<uint32_t, D16> du32;

/// Sums of 32 bits for the lanes of a V16: of each 128-bit block the lower and the upper half.
struct Wide {
  V32 low, high;
};

HWY_INLINE Wide operator+(Wide a, Wide b) { return {hn::Add(a.low, b.low), hn::Add(a.high, b.high)}; }
HWY_INLINE Wide operator-(Wide a, Wide b) { return {hn::Sub(a.low, b.low), hn::Sub(a.high, b.high)}; }

HWY_INLINE V32 Products(V16 pairs, int16_t a, int16_t b) {
  const auto both =
      static_cast<int32_t>(static_cast<uint32_t>(static_cast<uint16_t>(b)) << 16 | static_cast<uint16_t>(a));
  V32 unused = hn::Zero(d32);  // Highway may spread sums over two; on x86 it does not
  return hn::ReorderWidenMulAccumulate(d32, pairs, hn::BitCast(d16, hn::Set(d32, both)), hn::Zero(d32),
                                       unused);
}

/// x and y side by side, to be multiplied by pairs of constants.
struct Pair {
  V16 low, high;
  HWY_INLINE Pair(V16 x, V16 y) : low(hn::InterleaveLower(d16, x, y)), high(hn::InterleaveUpper(d16, x, y)) {}
  /// x * a + y * b
  HWY_INLINE Wide Times(int16_t a, int16_t b) const { return {Products(low, a, b), Products(high, a, b)}; }
};

/// (x << kShift) plus the half that the descaling by kDescale rounds with.
template <int kShift, int kDescale>
HWY_INLINE Wide Raise(V16 x) {
  const V16 zero = hn::Zero(d16);
  const V32 half = hn::Set(d32, 1 << (kDescale - 1));
  const auto low = hn::BitCast(d32, hn::InterleaveLower(d16, zero, x));
  const auto high = hn::BitCast(d32, hn::InterleaveUpper(d16, zero, x));
  return {hn::Add(hn::ShiftRight<16 - kShift>(low), half), hn::Add(hn::ShiftRight<16 - kShift>(high), half)};
}
template <int kDescale>
HWY_INLINE V16 Descale(Wide x) {
  return hn::ReorderDemote2To(d16, hn::ShiftRight<kDescale>(x.low), hn::ShiftRight<kDescale>(x.high));
}

// Constants in 13 bits of fraction, as in jidctint.c and jidctred.c: 0.541196100 is 4433.

/// 8 values to 8.
template <int kDescale>
HWY_INLINE void Transform8(const V16 (&in)[8], V16 (&out)[8]) {
  const Pair even(in[2], in[6]);
  const Wide t2 = even.Times(4433, 4433 - 15137);
  const Wide t3 = even.Times(4433 + 6270, 4433);
  const Wide t0 = Raise<13, kDescale>(hn::Add(in[0], in[4]));
  const Wide t1 = Raise<13, kDescale>(hn::Sub(in[0], in[4]));
  const Wide e0 = t0 + t3, e3 = t0 - t3, e1 = t1 + t2, e2 = t1 - t2;

  const Pair z(hn::Add(in[7], in[3]), hn::Add(in[5], in[1]));
  const Wide z3 = z.Times(9633 - 16069, 9633);
  const Wide z4 = z.Times(9633, 9633 - 3196);
  const Pair outer(in[7], in[1]);
  const Pair inner(in[5], in[3]);
  const Wide o0 = outer.Times(2446 - 7373, -7373) + z3;
  const Wide o3 = outer.Times(-7373, 12299 - 7373) + z4;
  const Wide o1 = inner.Times(16819 - 20995, -20995) + z4;
  const Wide o2 = inner.Times(-20995, 25172 - 20995) + z3;
  out[0] = Descale<kDescale>(e0 + o3);
  out[7] = Descale<kDescale>(e0 - o3);
  out[1] = Descale<kDescale>(e1 + o2);
  out[6] = Descale<kDescale>(e1 - o2);
  out[2] = Descale<kDescale>(e2 + o1);
  out[5] = Descale<kDescale>(e2 - o1);
  out[3] = Descale<kDescale>(e3 + o0);
  out[4] = Descale<kDescale>(e3 - o0);
}

/// 8 values, of which the fifth is not looked at, to 4.
template <int kDescale>
HWY_INLINE void Transform4(const V16 (&in)[8], V16 (&out)[8]) {
  const Wide t0 = Raise<14, kDescale>(in[0]);
  const Wide t2 = Pair(in[2], in[6]).Times(15137, -6270);
  const Pair high(in[7], in[5]);
  const Pair low(in[3], in[1]);
  const Wide o0 = high.Times(-1730, 11893) + low.Times(-17799, 8697);
  const Wide o2 = high.Times(-4176, -4926) + low.Times(7373, 20995);
  const Wide e0 = t0 + t2, e2 = t0 - t2;
  out[0] = Descale<kDescale>(e0 + o2);
  out[3] = Descale<kDescale>(e0 - o2);
  out[1] = Descale<kDescale>(e2 + o0);
  out[2] = Descale<kDescale>(e2 - o0);
}

/// The first value and the odd ones to 2.
template <int kDescale>
HWY_INLINE void Transform2(const V16 (&in)[8], V16 (&out)[8]) {
  const Wide t10 = Raise<15, kDescale>(in[0]);
  const Wide t0 = Pair(in[7], in[5]).Times(-5906, 6967) + Pair(in[3], in[1]).Times(-10426, 29692);
  out[0] = Descale<kDescale>(t10 + t0);
  out[1] = Descale<kDescale>(t10 - t0);
}

/// Whether a transform to kSize values looks at value i.
template <int kSize>
constexpr bool Reads(size_t i) {
  return kSize == 8 || (kSize == 4 && i != 4) || (kSize == 2 && (i == 0 || i % 2 == 1));
}

template <int kSize, int kDescale>
HWY_INLINE void Transform(const V16 (&in)[8], V16 (&out)[8]) {
  if constexpr (kSize == 8) Transform8<kDescale>(in, out);
  if constexpr (kSize == 4) Transform4<kDescale>(in, out);
  if constexpr (kSize == 2) Transform2<kDescale>(in, out);
}

/// Dequantised, and zero in the unit from now on; what is out of range is collected in *over.
HWY_INLINE V16 Load(int16_t* unit, const Dequantiser& quant, size_t place, hn::Vec<DU16>* over) {
  const V16 coefficients = hn::Load(d16, unit + place * kLanes);
  hn::Store(hn::Zero(d16), d16, unit + place * kLanes);
  const auto magnitudes = hn::BitCast(du16, hn::Abs(coefficients));
  const auto limit = hn::BitCast(du16, hn::Set(du32, quant.limits[place]));
  *over = hn::Or(*over, hn::SaturatedSub(magnitudes, limit));
  return hn::Mul(coefficients, hn::BitCast(d16, hn::Set(du32, quant.factors[place])));
}

HWY_INLINE bool IsNone(hn::Vec<DU16> over) { return hn::AllTrue(du16, hn::Eq(over, hn::Zero(du16))); }

/// Bytes of a, then of b, in each 128-bit block, clipped.
HWY_INLINE V8 Pack(V16 a, V16 b) {
#if HWY_TARGET <= HWY_AVX2 && HWY_ARCH_X86
  return V8{_mm256_packs_epi16(a.raw, b.raw)};
#else
  static_assert(hn::MaxLanes(d8) == 16);
  const hn::Half<D8> half;
  return hn::Combine(d8, hn::DemoteTo(half, b), hn::DemoteTo(half, a));
#endif
}

/// Of all lanes.
HWY_INLINE bool HasNoAc(const V16 (&column)[8]) {
  const V16 a = hn::Or(hn::Or(column[1], column[2]), hn::Or(column[3], column[4]));
  const V16 any = hn::Or(a, hn::Or(hn::Or(column[5], column[6]), column[7]));
  return hn::AllTrue(d16, hn::Eq(any, hn::Zero(d16)));
}

/// Two vectors of one row's pixels, each 128-bit block of which follows the other's: 16 bytes a block.
HWY_INLINE void StoreBlocks(V8 first, V8 second, uint8_t* out, size_t block_step) {
  const auto offset = hn::Set(d8, INT8_MIN);  // signed to unsigned: adds 128
  int8_t* to = reinterpret_cast<int8_t*>(out);
  const V8 a = hn::Xor(first, offset);
  const V8 b = hn::Xor(second, offset);
  if constexpr (hn::MaxLanes(d8) == 16) {
    hn::StoreU(a, d8, to);
    hn::StoreU(b, d8, to + 16);
  } else {
    hn::StoreU(hn::ConcatLowerLower(d8, b, a), d8, to);
    hn::StoreU(hn::ConcatUpperUpper(d8, b, a), d8, to + block_step);
  }
}

/// Rows of `kSize` values a lane become bytes, lane by lane.
template <int kSize>
HWY_INLINE void StoreRow(const V16 (&row)[8], uint8_t* out) {
  const hn::Repartition<int16_t, D8> d2;
  if constexpr (kSize == 2) {
    const V8 first = Pack(row[0], row[0]);
    const V8 second = Pack(row[1], row[1]);
    const V8 pixels = hn::Xor(hn::InterleaveLower(d8, first, second), hn::Set(d8, INT8_MIN));
    hn::StoreU(pixels, d8, reinterpret_cast<int8_t*>(out));
    return;
  }
  const V8 p02 = Pack(row[0], row[2]);
  const V8 p13 = Pack(row[1], row[3]);
  const auto p01 = hn::BitCast(d2, hn::InterleaveLower(d8, p02, p13));  // pixels 0, 1 of lanes 0 to 7
  const auto p23 = hn::BitCast(d2, hn::InterleaveUpper(d8, p02, p13));
  const auto low = hn::InterleaveLower(d2, p01, p23);  // pixels 0 to 3 of lanes 0 to 3
  const auto high = hn::InterleaveUpper(d2, p01, p23);
  if constexpr (kSize == 4) {
    StoreBlocks(hn::BitCast(d8, low), hn::BitCast(d8, high), out, 32);
  } else {
    const V8 p46 = Pack(row[4], row[6]);
    const V8 p57 = Pack(row[5], row[7]);
    const auto p45 = hn::BitCast(d2, hn::InterleaveLower(d8, p46, p57));
    const auto p67 = hn::BitCast(d2, hn::InterleaveUpper(d8, p46, p57));
    const auto low2 = hn::BitCast(d32, hn::InterleaveLower(d2, p45, p67));
    const auto high2 = hn::BitCast(d32, hn::InterleaveUpper(d2, p45, p67));
    const auto low1 = hn::BitCast(d32, low);
    const auto high1 = hn::BitCast(d32, high);
    StoreBlocks(hn::BitCast(d8, hn::InterleaveLower(d32, low1, low2)),
                hn::BitCast(d8, hn::InterleaveUpper(d32, low1, low2)), out, 64);
    StoreBlocks(hn::BitCast(d8, hn::InterleaveLower(d32, high1, high2)),
                hn::BitCast(d8, hn::InterleaveUpper(d32, high1, high2)), out + 32, 64);
  }
}

/// Columns, then rows; kFirst and kSecond are what each pass is descaled by.
template <int kSize>
bool InverseDctOf(int16_t* unit, const Dequantiser& quant, PixelTarget out) {
  constexpr int kFirst = kSize == 8 ? 11 : kSize == 4 ? 12 : 13;
  constexpr int kSecond = kSize == 8 ? 18 : kSize == 4 ? 19 : 20;
  auto over = hn::Zero(du16);
  for (size_t part = 0; part < kLanes; part += hn::Lanes(d16)) {
    V16 rows[8][8];
    for (size_t x = 0; x < 8; ++x) {
      if (!Reads<kSize>(x)) continue;
      V16 column[8];
      V16 transformed[8];
      for (size_t y = 0; y < 8; ++y) {
        column[y] = Reads<kSize>(y) ? Load(unit + part, quant, y * 8 + x, &over) : hn::Zero(d16);
      }
      if (kSize == 8 && HasNoAc(column)) {  // then it is flat; frequent on the right
        for (auto& row : rows) row[x] = hn::ShiftLeft<2>(column[0]);
        continue;
      }
      Transform<kSize, kFirst>(column, transformed);
      for (size_t y = 0; y < kSize; ++y) rows[y][x] = transformed[y];
    }
    for (size_t y = 0; y < kSize; ++y) {
      V16 pixels[8];
      Transform<kSize, kSecond>(rows[y], pixels);
      StoreRow<kSize>(pixels, out.pixels + y * out.stride + part * kSize);
    }
  }
  return IsNone(over);
}

/// One pixel a block. libjpeg-turbo takes its 10 low bits.
template <>
bool InverseDctOf<1>(int16_t* unit, const Dequantiser& quant, PixelTarget out) {
  const hn::Rebind<int8_t, D16> half8;
  auto over = hn::Zero(du16);
  for (size_t part = 0; part < kLanes; part += hn::Lanes(d16)) {
    const V16 dc = hn::Add(Load(unit + part, quant, 0, &over), hn::Set(d16, 4));
    const V16 pixel = hn::ShiftRight<6>(hn::ShiftLeft<6>(hn::ShiftRight<3>(dc)));
    const auto bytes = hn::Xor(hn::DemoteTo(half8, pixel), hn::Set(half8, INT8_MIN));
    hn::StoreU(bytes, half8, reinterpret_cast<int8_t*>(out.pixels + part));
  }
  return IsNone(over);
}

bool InverseDct(int size, int16_t* unit, const Dequantiser& quant, PixelTarget out) {
  switch (size) {
    case 1:
      return InverseDctOf<1>(unit, quant, out);
    case 2:
      return InverseDctOf<2>(unit, quant, out);
    case 4:
      return InverseDctOf<4>(unit, quant, out);
    default:
      return InverseDctOf<8>(unit, quant, out);
  }
}

#else

bool InverseDct(int /*size*/, int16_t* /*unit*/, const Dequantiser& /*quant*/, PixelTarget /*out*/) {
  return false;
}

#endif  // HWY_TARGET

}  // namespace HWY_NAMESPACE
}  // namespace photovec::decode::jpeg
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace photovec::decode::jpeg {
namespace {

HWY_EXPORT(InverseDct);

uint32_t Twice(uint32_t value) { return value << 16 | value; }

}  // namespace

bool MakeDequantiser(const QuantTable& table, Dequantiser* out) {
  for (size_t i = 0; i < kBlockSize; ++i) {
    if (table.values[i] > INT16_MAX) return false;
    out->factors[i] = Twice(table.values[i]);
    out->limits[i] = Twice(static_cast<uint32_t>(kMaxDequantised / table.values[i]));
  }
  return true;
}

bool InverseDct(int size, int16_t* unit, const Dequantiser& quant, PixelTarget out) {
  return HWY_DYNAMIC_DISPATCH(InverseDct)(size, unit, quant, out);
}

}  // namespace photovec::decode::jpeg
#endif  // HWY_ONCE
