// SPDX-License-Identifier: MIT
#include "decode/formats/jpeg/own/rows.h"

#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "decode/formats/jpeg/own/rows.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace photovec::decode::jpeg {
namespace HWY_NAMESPACE {

#if HWY_TARGET != HWY_SCALAR  // SupportedHere() is false there

namespace hn = hwy::HWY_NAMESPACE;

using D16 = hn::CappedTag<int16_t, 16>;
using D8 = hn::Rebind<uint8_t, D16>;
using V16 = hn::Vec<D16>;
constexpr D16 d16;
constexpr D8 d8;

HWY_INLINE V16 Load(const uint8_t* from) { return hn::PromoteTo(d16, hn::LoadU(d8, from)); }
HWY_INLINE V16 Triple(V16 x) { return hn::Add(hn::Add(x, x), x); }

/// Even and odd samples, all below 256, in turn.
HWY_INLINE void StoreInTurn(V16 even, V16 odd, uint8_t* out) {
  const hn::Repartition<uint8_t, D16> bytes;
  hn::StoreU(hn::BitCast(bytes, hn::Or(even, hn::ShiftLeft<8>(odd))), bytes, out);
}

void UpsampleColumns(const uint8_t* in, size_t count, uint8_t* out) {
  for (size_t i = 0; i < count; i += hn::Lanes(d16)) {
    const V16 middle = Triple(Load(in + i));
    const V16 even = hn::Add(hn::Add(middle, Load(in + i - 1)), hn::Set(d16, 1));
    const V16 odd = hn::Add(hn::Add(middle, Load(in + i + 1)), hn::Set(d16, 2));
    StoreInTurn(hn::ShiftRight<2>(even), hn::ShiftRight<2>(odd), out + 2 * i);
  }
}

void UpsampleBoth(const uint8_t* near, const uint8_t* far, size_t count, uint8_t* out) {
  for (size_t i = 0; i < count; i += hn::Lanes(d16)) {
    const V16 middle = hn::Add(Triple(Load(near + i)), Load(far + i));
    const V16 left = hn::Add(Triple(Load(near + i - 1)), Load(far + i - 1));
    const V16 right = hn::Add(Triple(Load(near + i + 1)), Load(far + i + 1));
    const V16 even = hn::Add(hn::Add(Triple(middle), left), hn::Set(d16, 8));
    const V16 odd = hn::Add(hn::Add(Triple(middle), right), hn::Set(d16, 7));
    StoreInTurn(hn::ShiftRight<4>(even), hn::ShiftRight<4>(odd), out + 2 * i);
  }
}

void UpsampleRows(const uint8_t* near, const uint8_t* far, int bias, size_t count, uint8_t* out) {
  const V16 half = hn::Set(d16, static_cast<int16_t>(bias));
  for (size_t i = 0; i < count; i += hn::Lanes(d16)) {
    const V16 sum = hn::Add(hn::Add(Triple(Load(near + i)), Load(far + i)), half);
    hn::StoreU(hn::DemoteTo(d8, hn::ShiftRight<2>(sum)), d8, out + i);
  }
}

// 32 pixels: both halves of each 128-bit block, widened and packed again without crossing blocks.
using DB = hn::CappedTag<uint8_t, 32>;
using DW = hn::Repartition<int16_t, DB>;
using DS = hn::Repartition<int32_t, DB>;
using VB = hn::Vec<DB>;
using VW = hn::Vec<DW>;
constexpr DB db;
constexpr DW dw;
constexpr DS ds;

/// a's bytes, then b's, of each 128-bit block, clipped.
HWY_INLINE VB Pack(VW a, VW b) {
#if HWY_TARGET <= HWY_AVX2 && HWY_ARCH_X86
  return VB{_mm256_packus_epi16(a.raw, b.raw)};
#else
  static_assert(hn::MaxLanes(db) == 16);
  const hn::Half<DB> half;
  return hn::Combine(db, hn::DemoteTo(half, b), hn::DemoteTo(half, a));
#endif
}

struct Words {
  VW r, g, b;
};

/// 1.40200 - 1 and 1.77200 - 2 in 15 bits, -0.34414 and 1 - 0.71414 in 16. The first two, rounded at once,
/// give what libjpeg-turbo gets in two steps for every one of the 256 values.
HWY_INLINE Words Convert(VW luma, VW u, VW v) {
  const VW red = hn::Add(hn::Add(luma, v), hn::MulFixedPoint15(v, hn::Set(dw, 13173)));
  const VW blue = hn::Add(hn::Add(luma, hn::Add(u, u)), hn::MulFixedPoint15(u, hn::Set(dw, -7471)));
  constexpr uint32_t kFactors = uint32_t{18734} << 16 | static_cast<uint16_t>(-22554);
  const VW factors = hn::BitCast(dw, hn::Set(ds, static_cast<int32_t>(kFactors)));
  const auto half = hn::Set(ds, 1 << 15);
  auto unused = hn::Zero(ds);
  const auto low = hn::ReorderWidenMulAccumulate(ds, hn::InterleaveLower(dw, u, v), factors, half, unused);
  const auto high = hn::ReorderWidenMulAccumulate(ds, hn::InterleaveUpper(dw, u, v), factors, half, unused);
  const VW both = hn::ReorderDemote2To(dw, hn::ShiftRight<16>(low), hn::ShiftRight<16>(high));
  return {red, hn::Sub(hn::Add(luma, both), v), blue};
}

HWY_INLINE void ConvertAndStore(const uint8_t* y, const uint8_t* cb, const uint8_t* cr, uint8_t* rgb) {
  const VB zero = hn::Zero(db);
  const VW offset = hn::Set(dw, 128);
  const VB luma = hn::LoadU(db, y);
  const VB blue = hn::LoadU(db, cb);
  const VB red = hn::LoadU(db, cr);
  const auto lower = [zero](VB x) HWY_ATTR { return hn::BitCast(dw, hn::InterleaveLower(db, x, zero)); };
  const auto upper = [zero](VB x) HWY_ATTR { return hn::BitCast(dw, hn::InterleaveUpper(db, x, zero)); };
  const Words a = Convert(lower(luma), hn::Sub(lower(blue), offset), hn::Sub(lower(red), offset));
  const Words b = Convert(upper(luma), hn::Sub(upper(blue), offset), hn::Sub(upper(red), offset));
  hn::StoreInterleaved3(Pack(a.r, b.r), Pack(a.g, b.g), Pack(a.b, b.b), db, rgb);
}

void YccToRgb(const uint8_t* y, const uint8_t* cb, const uint8_t* cr, size_t count, uint8_t* rgb) {
  const size_t lanes = hn::Lanes(db);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) ConvertAndStore(y + i, cb + i, cr + i, rgb + 3 * i);
  if (i == count) return;
  uint8_t last[3 * 32];
  ConvertAndStore(y + i, cb + i, cr + i, last);
  std::memcpy(rgb + 3 * i, last, 3 * (count - i));
}

void GreyToRgb(const uint8_t* y, size_t count, uint8_t* rgb) {
  const size_t lanes = hn::Lanes(d8);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto grey = hn::LoadU(d8, y + i);
    hn::StoreInterleaved3(grey, grey, grey, d8, rgb + 3 * i);
  }
  for (; i < count; ++i) std::memset(rgb + 3 * i, y[i], 3);
}

#else

void UpsampleColumns(const uint8_t* /*in*/, size_t /*count*/, uint8_t* /*out*/) {}
void UpsampleBoth(const uint8_t* /*near*/, const uint8_t* /*far*/, size_t /*count*/, uint8_t* /*out*/) {}
void UpsampleRows(const uint8_t* /*near*/, const uint8_t* /*far*/, int /*bias*/, size_t /*count*/,
                  uint8_t* /*out*/) {}
void YccToRgb(const uint8_t* /*y*/, const uint8_t* /*cb*/, const uint8_t* /*cr*/, size_t /*count*/,
              uint8_t* /*rgb*/) {}
void GreyToRgb(const uint8_t* /*y*/, size_t /*count*/, uint8_t* /*rgb*/) {}

#endif  // HWY_TARGET

}  // namespace HWY_NAMESPACE
}  // namespace photovec::decode::jpeg
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace photovec::decode::jpeg {
namespace {

HWY_EXPORT(UpsampleColumns);
HWY_EXPORT(UpsampleBoth);
HWY_EXPORT(UpsampleRows);
HWY_EXPORT(YccToRgb);
HWY_EXPORT(GreyToRgb);

}  // namespace

void UpsampleColumns(const uint8_t* in, size_t count, uint8_t* out) {
  HWY_DYNAMIC_DISPATCH(UpsampleColumns)(in, count, out);
}
void UpsampleBoth(const uint8_t* near, const uint8_t* far, size_t count, uint8_t* out) {
  HWY_DYNAMIC_DISPATCH(UpsampleBoth)(near, far, count, out);
}
void UpsampleRows(const uint8_t* near, const uint8_t* far, int bias, size_t count, uint8_t* out) {
  HWY_DYNAMIC_DISPATCH(UpsampleRows)(near, far, bias, count, out);
}
void RepeatColumns(const uint8_t* in, size_t count, uint8_t* out) {
  for (size_t i = 0; i < count; ++i) out[2 * i] = out[2 * i + 1] = in[i];
}
void YccToRgb(const uint8_t* y, const uint8_t* cb, const uint8_t* cr, size_t count, uint8_t* rgb) {
  HWY_DYNAMIC_DISPATCH(YccToRgb)(y, cb, cr, count, rgb);
}
void GreyToRgb(const uint8_t* y, size_t count, uint8_t* rgb) {
  HWY_DYNAMIC_DISPATCH(GreyToRgb)(y, count, rgb);
}

}  // namespace photovec::decode::jpeg
#endif  // HWY_ONCE
