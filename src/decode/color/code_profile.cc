// SPDX-License-Identifier: MIT
#include "decode/color/code_profile.h"

#include <lcms2.h>

#include "decode/color/memory.h"
#include "decode/color/primaries.h"

namespace photovec::decode {
namespace {

/// What such a profile takes of lcms2; it is some 500 bytes.
constexpr size_t kMaxBytes = size_t{1} << 20;

enum class Curve { kSrgb, kGamma22, kGamma28, kLinear, kOther };
Curve CurveOf(uint32_t transfer) {
  switch (transfer) {
    case 1:
    case 2:
    case 6:
    case 11:
    case 13:
    case 14:
    case 15:
      return Curve::kSrgb;
    case 4:
      return Curve::kGamma22;
    case 5:
      return Curve::kGamma28;
    case 8:
      return Curve::kLinear;
    default:
      return Curve::kOther;
  }
}

struct Making {
  cmsContext context;
  Curve curve;
  cmsCIExyY white;
  cmsCIExyYTRIPLE primaries;
  uint8_t* bytes;
  cmsUInt32Number size;  ///< in: the room; out: what was written, 0 when nothing could be
};

cmsToneCurve* MakeCurve(const Making& making) {
  // IEC 61966-2-1: lcms2's parametric curve 4.
  const cmsFloat64Number srgb[] = {2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045};
  switch (making.curve) {
    case Curve::kGamma22:
      return cmsBuildGamma(making.context, 2.2);
    case Curve::kGamma28:
      return cmsBuildGamma(making.context, 2.8);
    case Curve::kLinear:
      return cmsBuildGamma(making.context, 1.0);
    default:
      return cmsBuildParametricToneCurve(making.context, 4, srgb);
  }
}

void MakeStep(void* argument) {
  auto* making = static_cast<Making*>(argument);
  const cmsUInt32Number room = making->size;
  making->size = 0;
  cmsToneCurve* curve = MakeCurve(*making);
  if (curve == nullptr) return;
  cmsToneCurve* curves[] = {curve, curve, curve};
  cmsHPROFILE profile = cmsCreateRGBProfileTHR(making->context, &making->white, &making->primaries, curves);
  cmsUInt32Number size = room;
  if (profile != nullptr && cmsSaveProfileToMem(profile, making->bytes, &size) != 0) making->size = size;
  if (profile != nullptr) cmsCloseProfile(profile);
  cmsFreeToneCurve(curve);
}

cmsCIExyY Point(const std::array<double, 2>& xy) { return {xy[0], xy[1], 1.0}; }

}  // namespace

std::vector<uint8_t> ProfileOfCode(const ColourCode& code) {
  constexpr uint32_t kBt709 = 1;
  constexpr uint32_t kXyz = 10;
  const std::optional<Primaries> primaries = PrimariesOf(code.primaries);
  const Curve curve = CurveOf(code.transfer);
  if (!primaries || code.primaries == kXyz || curve == Curve::kOther) return {};
  if (code.primaries == kBt709 && curve == Curve::kSrgb) return {};
  ColorMemory memory(kMaxBytes);
  std::vector<uint8_t> bytes(4096);
  Making making{memory.context(),
                curve,
                Point(primaries->white),
                {Point(primaries->red), Point(primaries->green), Point(primaries->blue)},
                bytes.data(),
                static_cast<cmsUInt32Number>(bytes.size())};
  if (making.context == nullptr || !memory.Run(MakeStep, &making)) return {};
  bytes.resize(making.size);
  // The time of day is no part of what it says (ICC.1:2022 §7.2.10), and must not make two of one.
  for (size_t i = 24; i < 36 && i < bytes.size(); ++i) bytes[i] = 0;
  return bytes;
}

}  // namespace photovec::decode
