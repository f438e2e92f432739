// SPDX-License-Identifier: MIT
#include "testing/test_images_icc.h"

#include <lcms2.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <utility>

#include "testing/test_images_internal.h"

namespace photovec::test {
namespace {

constexpr cmsCIExyY kD65{0.3127, 0.3290, 1.0};
constexpr cmsCIExyY kD50{0.3457, 0.3585, 1.0};

struct Gamut {
  cmsCIExyY white = kD65;
  cmsCIExyYTRIPLE primaries{};
  double gamma = 0;  ///< 0: sRGB's curve
};

cmsHPROFILE RgbProfile(const Gamut& gamut) {
  const std::array<double, 5> srgb = {2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045};
  cmsToneCurve* curve = gamut.gamma > 0 ? cmsBuildGamma(nullptr, gamut.gamma)
                                        : cmsBuildParametricToneCurve(nullptr, 4, srgb.data());
  cmsToneCurve* curves[] = {curve, curve, curve};
  cmsHPROFILE profile = cmsCreateRGBProfile(&gamut.white, &gamut.primaries, curves);
  cmsFreeToneCurve(curve);
  return profile;
}

cmsHPROFILE DisplayP3() {
  return RgbProfile({kD65, {{0.680, 0.320, 1}, {0.265, 0.690, 1}, {0.150, 0.060, 1}}, 0});
}

int SampleLab(const cmsUInt16Number* in, cmsUInt16Number* out, void* transform) {
  cmsDoTransform(transform, in, out, 1);
  return 1;
}

/// A profile without primaries whose A2B0 table gives Display P3's colours.
cmsHPROFILE TableProfile() {
  cmsHPROFILE p3 = DisplayP3();
  cmsHPROFILE lab = cmsCreateLab4Profile(nullptr);
  cmsHTRANSFORM to_lab =
      cmsCreateTransform(p3, TYPE_RGB_16, lab, TYPE_Lab_16, INTENT_RELATIVE_COLORIMETRIC, cmsFLAGS_NOCACHE);
  cmsPipeline* pipeline = cmsPipelineAlloc(nullptr, 3, 3);
  cmsStage* table = cmsStageAllocCLut16bit(nullptr, 17, 3, 3, nullptr);
  Require(cmsStageSampleCLut16bit(table, SampleLab, to_lab, 0) != 0, "icc table");
  cmsPipelineInsertStage(pipeline, cmsAT_END, cmsStageAllocToneCurves(nullptr, 3, nullptr));
  cmsPipelineInsertStage(pipeline, cmsAT_END, table);
  cmsPipelineInsertStage(pipeline, cmsAT_END, cmsStageAllocToneCurves(nullptr, 3, nullptr));
  cmsHPROFILE profile = cmsCreateProfilePlaceholder(nullptr);
  cmsSetProfileVersion(profile, 4.3);
  cmsSetDeviceClass(profile, cmsSigInputClass);
  cmsSetColorSpace(profile, cmsSigRgbData);
  cmsSetPCS(profile, cmsSigLabData);
  cmsWriteTag(profile, cmsSigAToB0Tag, pipeline);
  cmsWriteTag(profile, cmsSigMediaWhitePointTag, cmsD50_XYZ());
  cmsPipelineFree(pipeline);
  cmsDeleteTransform(to_lab);
  cmsCloseProfile(lab);
  cmsCloseProfile(p3);
  return profile;
}

cmsHPROFILE MultiStageProfile() {
  cmsHPROFILE profile = DisplayP3();
  const std::array<double, 9> turn = {0, 1, 0, 0, 0, 1, 1, 0, 0};
  cmsPipeline* pipeline = cmsPipelineAlloc(nullptr, 3, 3);
  cmsPipelineInsertStage(pipeline, cmsAT_END, cmsStageAllocMatrix(nullptr, 3, 3, turn.data(), nullptr));
  Require(cmsWriteTag(profile, cmsSigDToB0Tag, pipeline) != 0, "icc D2B0");
  cmsPipelineFree(pipeline);
  return profile;
}

cmsHPROFILE GreyProfile() {
  cmsToneCurve* curve = cmsBuildGamma(nullptr, 1.8);
  cmsHPROFILE profile = cmsCreateGrayProfile(&kD50, curve);
  cmsFreeToneCurve(curve);
  return profile;
}

/// Enough of one to be told apart; nothing converts from it.
cmsHPROFILE CmykProfile() {
  cmsHPROFILE profile = DisplayP3();
  cmsSetDeviceClass(profile, cmsSigOutputClass);
  cmsSetColorSpace(profile, cmsSigCmykData);
  return profile;
}

cmsHPROFILE Open(IccKind kind) {
  switch (kind) {
    case IccKind::kSrgb:
      return cmsCreate_sRGBProfile();
    case IccKind::kDisplayP3:
      return DisplayP3();
    case IccKind::kAdobeRgb:
      return RgbProfile({kD65, {{0.64, 0.33, 1}, {0.21, 0.71, 1}, {0.15, 0.06, 1}}, 563.0 / 256});
    case IccKind::kProPhoto:
      return RgbProfile({kD50, {{0.7347, 0.2653, 1}, {0.1596, 0.8404, 1}, {0.0366, 0.0001, 1}}, 1.8});
    case IccKind::kTable:
      return TableProfile();
    case IccKind::kMultiStage:
      return MultiStageProfile();
    case IccKind::kGrey:
      return GreyProfile();
    case IccKind::kCmyk:
      break;
  }
  return CmykProfile();
}

}  // namespace

IccKind IccKindOf(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, IccKind>, 8> kNames = {
      {{"srgb", IccKind::kSrgb},
       {"p3", IccKind::kDisplayP3},
       {"adobe", IccKind::kAdobeRgb},
       {"prophoto", IccKind::kProPhoto},
       {"table", IccKind::kTable},
       {"multistage", IccKind::kMultiStage},
       {"grey", IccKind::kGrey},
       {"cmyk", IccKind::kCmyk}}};
  for (const auto& [known, kind] : kNames) {
    if (known == name) return kind;
  }
  Require(false, "no such ICC profile");
  std::abort();
}

Encoded MakeIcc(IccKind kind) {
  cmsHPROFILE profile = Open(kind);
  cmsUInt32Number size = 0;
  Require(cmsSaveProfileToMem(profile, nullptr, &size) != 0, "icc");
  Encoded bytes(size);
  Require(cmsSaveProfileToMem(profile, bytes.data(), &size) != 0, "icc");
  cmsCloseProfile(profile);
  std::fill_n(bytes.begin() + 24, 12, uint8_t{0});  // the time of creation
  return bytes;
}

Encoded PadIcc(Encoded profile, size_t size) {
  Require(size >= profile.size(), "icc padding");
  profile.resize(size);
  for (size_t i = 0; i < 4; ++i) profile[i] = static_cast<uint8_t>(size >> (24 - 8 * i));
  return profile;
}

Encoded IccSegment(std::span<const uint8_t> chunk, int number, int count) {
  const size_t length = chunk.size() + 16;
  Require(length <= 65'535, "icc segment");
  Encoded segment;
  segment.reserve(length + 2);
  for (const size_t byte : {size_t{0xFF}, size_t{0xE2}, length >> 8, length & 0xFF}) {
    segment.push_back(static_cast<uint8_t>(byte));
  }
  constexpr std::string_view kMark("ICC_PROFILE\0", 12);
  for (const char c : kMark) segment.push_back(static_cast<uint8_t>(c));
  segment.push_back(static_cast<uint8_t>(number));
  segment.push_back(static_cast<uint8_t>(count));
  segment.insert(segment.end(), chunk.begin(), chunk.end());
  return segment;
}

Encoded JpegWithIcc(const Encoded& jpeg, std::span<const uint8_t> profile, int count,
                    const std::vector<int>& order) {
  const size_t piece = (profile.size() + static_cast<size_t>(count) - 1) / static_cast<size_t>(count);
  Encoded segments;
  for (int i = 1; i <= std::max(count, static_cast<int>(order.size())); ++i) {
    if (order.empty() ? i > count : i > static_cast<int>(order.size())) break;
    const int number = order.empty() ? i : order[static_cast<size_t>(i - 1)];
    const size_t from = std::min(profile.size(), piece * static_cast<size_t>(number - 1));
    const Encoded one =
        IccSegment(profile.subspan(from, std::min(piece, profile.size() - from)), number, count);
    segments.insert(segments.end(), one.begin(), one.end());
  }
  return Insert(jpeg, 2, segments);
}

Encoded IccpData(std::span<const uint8_t> profile) {
  Encoded data = {'p', 'h', 'o', 't', 'o', 0, 0};
  uLongf size = compressBound(profile.size());
  Encoded deflated(size);
  Require(compress2(deflated.data(), &size, profile.data(), profile.size(), 9) == Z_OK, "zlib");
  data.insert(data.end(), deflated.begin(), deflated.begin() + static_cast<ptrdiff_t>(size));
  return data;
}

Encoded PngWithIcc(const Encoded& png, std::span<const uint8_t> profile) {
  constexpr size_t kBehindIhdr = 33;
  return Insert(png, kBehindIhdr, PngChunk("iCCP", IccpData(profile)));
}

Encoded WebpWithIcc(const Encoded& still, int width, int height, std::span<const uint8_t> profile) {
  // As WebpWithExif makes it, with the chunk moved before the image and its flag set.
  Encoded file = WebpWithExif(still, width, height, profile);
  const size_t chunk = 8 + profile.size() + profile.size() % 2;
  constexpr size_t kBehindVp8x = 30;
  std::rotate(file.begin() + kBehindVp8x, file.end() - static_cast<ptrdiff_t>(chunk), file.end());
  std::memcpy(file.data() + kBehindVp8x, "ICCP", 4);
  file[20] = static_cast<uint8_t>((file[20] & ~0x08U) | 0x20U);
  return file;
}

}  // namespace photovec::test
