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
using D32 = hn::RepartitionToWide<D16>;
using D8 = hn::Rebind<uint8_t, D16>;
using V16 = hn::Vec<D16>;
using V8 = hn::Vec<D8>;
constexpr D16 d16;
constexpr D32 d32;
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

/// The high halves of the products, rounded: (x * factor + 2^15) >> 16 in two steps, as jdcolext-sse2.asm.
HWY_INLINE V16 Scaled(V16 twice_x, int16_t factor) {
  return hn::ShiftRight<1>(hn::Add(hn::MulHigh(twice_x, hn::Set(d16, factor)), hn::Set(d16, 1)));
}

struct Rgb {
  V8 r, g, b;
};

/// Constants of 16 bits: 1.40200 - 1, 1.77200 - 2, -0.34414, 1 - 0.71414.
HWY_INLINE Rgb Convert(const uint8_t* y, const uint8_t* cb, const uint8_t* cr) {
  const V16 offset = hn::Set(d16, 128);
  const V16 luma = Load(y);
  const V16 u = hn::Sub(Load(cb), offset);
  const V16 v = hn::Sub(Load(cr), offset);
  const V16 u2 = hn::Add(u, u);
  const V16 red = hn::Add(hn::Add(luma, v), Scaled(hn::Add(v, v), 26345));
  const V16 blue = hn::Add(hn::Add(luma, u2), Scaled(u2, -14942));
  constexpr uint32_t kFactors = uint32_t{18734} << 16 | static_cast<uint16_t>(-22554);
  const V16 factors = hn::BitCast(d16, hn::Set(d32, static_cast<int32_t>(kFactors)));
  const auto half = hn::Set(d32, 1 << 15);
  auto unused = hn::Zero(d32);
  const auto low = hn::ReorderWidenMulAccumulate(d32, hn::InterleaveLower(d16, u, v), factors, half, unused);
  const auto high = hn::ReorderWidenMulAccumulate(d32, hn::InterleaveUpper(d16, u, v), factors, half, unused);
  const V16 both = hn::ReorderDemote2To(d16, hn::ShiftRight<16>(low), hn::ShiftRight<16>(high));
  const V16 green = hn::Sub(hn::Add(luma, both), v);
  return {hn::DemoteTo(d8, red), hn::DemoteTo(d8, green), hn::DemoteTo(d8, blue)};
}

void YccToRgb(const uint8_t* y, const uint8_t* cb, const uint8_t* cr, size_t count, uint8_t* rgb) {
  const size_t lanes = hn::Lanes(d8);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const Rgb pixels = Convert(y + i, cb + i, cr + i);
    hn::StoreInterleaved3(pixels.r, pixels.g, pixels.b, d8, rgb + 3 * i);
  }
  if (i == count) return;
  uint8_t last[3 * 16];
  const Rgb pixels = Convert(y + i, cb + i, cr + i);
  hn::StoreInterleaved3(pixels.r, pixels.g, pixels.b, d8, last);
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
