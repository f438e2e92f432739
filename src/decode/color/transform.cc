// SPDX-License-Identifier: MIT
#include "decode/color/transform.h"

#include <lcms2.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "decode/byte_reader.h"
#include "decode/color/code_profile.h"
#include "decode/color/hdr.h"
#include "decode/color/icc_profile.h"
#include "decode/color/memory.h"

namespace photovec::decode {
namespace {

/// What a transform may hold to be kept: ten times what lcms2's own optimisation leaves of a large profile.
constexpr size_t kMaxKeptBytes = size_t{4} << 20;
constexpr size_t kMaxKeptProfile = size_t{1} << 20;
/// Differences that no photo shows; Windows' and Adobe's sRGB profiles are this close to lcms2's own.
constexpr int kSameLevels = 1;

enum class Kind { kUnusable, kRgb, kGrey };

/// What the header and the tag table say, before lcms2 sees the profile. Source: ICC.1:2022 §7.2, §7.3.
Kind KindOf(std::span<const uint8_t> profile) {
  constexpr size_t kHeader = 128;
  if (!HasAt(profile, 36, "acsp") || profile.size() < kHeader + 4) return Kind::kUnusable;
  const bool known = HasAt(profile, 12, "scnr") || HasAt(profile, 12, "mntr") || HasAt(profile, 12, "prtr") ||
                     HasAt(profile, 12, "spac");
  if (!known) return Kind::kUnusable;
  ByteReader tags(profile.subspan(kHeader));
  for (uint32_t count = tags.U32Be(); count > 0; --count) {
    const auto name = tags.Bytes(4);
    tags.Skip(8);
    if (tags.failed()) break;
    if (HasAt(name, 0, "D2B")) return Kind::kUnusable;
  }
  if (HasAt(profile, 16, "RGB ")) return Kind::kRgb;
  return HasAt(profile, 16, "GRAY") ? Kind::kGrey : Kind::kUnusable;
}

/// Calls convert(rgb, count) for each row of the window.
template <typename Convert>
void ForEachRow(const PixelWindow& window, RgbImage* pixels, const Convert& convert) {
  const int end_row = std::min(window.end_row, pixels->height());
  const int first = std::max(0, window.first_column);
  const int end = std::min(window.end_column, pixels->width());
  for (int y = std::max(0, window.first_row); y < end_row && first < end; ++y) {
    convert(pixels->Row(y) + static_cast<ptrdiff_t>(first) * 3, end - first);
  }
}

}  // namespace

/// One profile's way to sRGB. Has memory of its own, so that no profile can take another's.
class ColorTransform {
 public:
  /// Null when lcms2 refuses the profile, or needs more than `max_bytes` for it.
  static std::unique_ptr<ColorTransform> Build(std::span<const uint8_t> profile, Kind kind,
                                               size_t max_bytes) {
    std::unique_ptr<ColorTransform> made(new ColorTransform(max_bytes));
    if (!made->Open(profile, kind)) return nullptr;
    if (kind == Kind::kGrey) {
      made->FillGrey();
    } else {
      made->identity_ = made->IsNearIdentity();
    }
    return made;
  }
  ~ColorTransform() {
    if (transform_ != nullptr) cmsDeleteTransform(transform_);
  }
  ColorTransform(const ColorTransform&) = delete;
  ColorTransform& operator=(const ColorTransform&) = delete;

  bool identity() const { return identity_; }
  size_t bytes() const { return memory_.used(); }

  /// Converts `count` pixels in place.
  void Apply(uint8_t* rgb, int count) const {
    if (!is_grey_) return cmsDoTransform(transform_, rgb, rgb, static_cast<cmsUInt32Number>(count));
    for (int i = 0; i < count; ++i, rgb += 3) std::memcpy(rgb, grey_.at(rgb[0]).data(), 3);
  }

 private:
  explicit ColorTransform(size_t max_bytes) : memory_(max_bytes) {}

  /// What OpenStep() needs and makes.
  struct Opening {
    cmsContext context;
    const uint8_t* profile;
    cmsUInt32Number size;
    bool grey;
    cmsHTRANSFORM transform;
  };

  bool Open(std::span<const uint8_t> profile, Kind kind) {
    is_grey_ = kind == Kind::kGrey;
    Opening opening{memory_.context(), profile.data(), static_cast<cmsUInt32Number>(profile.size()), is_grey_,
                    nullptr};
    if (opening.context == nullptr || !memory_.Run(OpenStep, &opening)) return false;
    transform_ = opening.transform;
    return transform_ != nullptr;
  }

  // cmsCreateTransform with flags 0 is what Pillow calls; lcms2's 8-bit optimisations follow from it.
  static void OpenStep(void* argument) {
    auto* opening = static_cast<Opening*>(argument);
    cmsHPROFILE from = cmsOpenProfileFromMemTHR(opening->context, opening->profile, opening->size);
    if (from == nullptr) return;
    cmsHPROFILE to = cmsCreate_sRGBProfileTHR(opening->context);
    if (to != nullptr) {
      opening->transform =
          cmsCreateTransformTHR(opening->context, from, opening->grey ? TYPE_GRAY_8 : TYPE_RGB_8, to,
                                TYPE_RGB_8, INTENT_PERCEPTUAL, 0);
      cmsCloseProfile(to);
    }
    cmsCloseProfile(from);
  }

  void FillGrey() {
    for (size_t i = 0; i < grey_.size(); ++i) {
      const auto level = static_cast<uint8_t>(i);
      cmsDoTransform(transform_, &level, grey_.at(i).data(), 1);
    }
  }

  /// Looks at a lattice of colours, and at all greys.
  bool IsNearIdentity() const {
    std::vector<uint8_t> lattice;
    for (int r = 0; r < 256; r += 15) {
      for (int g = 0; g < 256; g += 15) {
        for (int b = 0; b < 256; b += 15) {
          for (const int level : {r, g, b}) lattice.push_back(static_cast<uint8_t>(level));
        }
      }
    }
    for (int level = 0; level < 256; ++level) lattice.insert(lattice.end(), 3, static_cast<uint8_t>(level));
    std::vector<uint8_t> converted = lattice;
    Apply(converted.data(), static_cast<int>(converted.size() / 3));
    return std::equal(lattice.begin(), lattice.end(), converted.begin(),
                      [](uint8_t a, uint8_t b) { return std::abs(a - b) <= kSameLevels; });
  }

  ColorMemory memory_;
  cmsHTRANSFORM transform_ = nullptr;
  bool is_grey_ = false;
  bool identity_ = false;
  std::array<std::array<uint8_t, 3>, 256> grey_{};
};

struct ColorConverter::Kept {
  std::vector<uint8_t> profile;
  std::unique_ptr<ColorTransform> transform;  // null: refused, which is worth remembering as well
};

ColorConverter::ColorConverter(size_t max_bytes) : max_bytes_(max_bytes) {}
ColorConverter::~ColorConverter() = default;

const ColorTransform* ColorConverter::TransformOf(std::span<const uint8_t> profile) {
  const auto found = std::find_if(kept_.begin(), kept_.end(), [&](const auto& kept) {
    return std::equal(kept->profile.begin(), kept->profile.end(), profile.begin(), profile.end());
  });
  if (found != kept_.end()) {
    std::rotate(kept_.begin(), found, found + 1);
    return kept_.front()->transform.get();
  }
  std::unique_ptr<ColorTransform> made = ColorTransform::Build(profile, KindOf(profile), max_bytes_);
  const size_t bytes = made ? made->bytes() : 0;
  if (profile.size() > kMaxKeptProfile || bytes > kMaxKeptBytes) {
    large_ = std::move(made);
    return large_.get();
  }
  if (kept_.size() == kKept) kept_.pop_back();
  auto kept = std::make_unique<Kept>();
  kept->profile.assign(profile.begin(), profile.end());
  kept->transform = std::move(made);
  kept_.insert(kept_.begin(), std::move(kept));
  return kept_.front()->transform.get();
}

namespace {

/// Whether its pixels are grey, so that a profile must be, too.
bool IsGrey(const ImageHeader& header) {
  switch (header.format) {
    case Format::kJpeg:
    case Format::kRaw:
      return header.jpeg.components == 1;
    case Format::kPng:
      return header.png.color_type == 0 || header.png.color_type == 4;
    case Format::kTiff:
      return header.tiff.photometric == TiffColor::kWhiteIsZero ||
             header.tiff.photometric == TiffColor::kBlackIsZero;
    case Format::kJpeg2000:
      return header.jpeg2000.components < 3 && !header.jpeg2000.has_palette;
    default:
      return false;
  }
}

}  // namespace

ProfileUse ColorConverter::Convert(std::span<const uint8_t> encoded, const ImageHeader& header,
                                   const PixelWindow& window, RgbImage* pixels) {
  if (header.colour && ConvertHdr(*header.colour, window, pixels)) return ProfileUse::kConverted;
  if (header.colour && header.format == Format::kPng) return ConvertByCode(*header.colour, window, pixels);
  const EmbeddedIcc icc = FindIcc(encoded, header, &storage_);
  if (!icc.found) {
    return header.colour ? ConvertByCode(*header.colour, window, pixels) : ProfileUse::kNone;
  }
  const bool cmyk = (header.IsJpegCoded() && header.jpeg.components == 4) ||
                    (header.format == Format::kTiff && header.tiff.photometric == TiffColor::kCmyk);
  const ProfileUse use = cmyk ? ProfileUse::kIgnored : ConvertWith(icc.bytes, IsGrey(header), window, pixels);
  large_.reset();
  if (storage_.capacity() > kMaxKeptProfile) storage_ = {};
  return use;
}

ProfileUse ColorConverter::ConvertWith(std::span<const uint8_t> profile, bool grey, const PixelWindow& window,
                                       RgbImage* pixels) {
  if (KindOf(profile) != (grey ? Kind::kGrey : Kind::kRgb)) return ProfileUse::kIgnored;
  const ColorTransform* transform = TransformOf(profile);
  if (transform == nullptr) return ProfileUse::kIgnored;
  if (transform->identity()) return ProfileUse::kAlreadySrgb;
  ForEachRow(window, pixels, [&](uint8_t* rgb, int count) { transform->Apply(rgb, count); });
  return ProfileUse::kConverted;
}

bool ColorConverter::ConvertHdr(const ColourCode& code, const PixelWindow& window, RgbImage* pixels) {
  if (!HdrToSrgb::IsHdr(code)) return false;
  if (hdr_code_ != code) {
    hdr_ = std::make_unique<HdrToSrgb>(code);
    hdr_code_ = code;
  }
  ForEachRow(window, pixels, [&](uint8_t* rgb, int count) { hdr_->Apply(rgb, count); });
  return true;
}

ProfileUse ColorConverter::ConvertByCode(const ColourCode& code, const PixelWindow& window,
                                         RgbImage* pixels) {
  if (sdr_code_ != code) {
    sdr_profile_ = ProfileOfCode(code);
    sdr_code_ = code;
  }
  return sdr_profile_.empty() ? ProfileUse::kNone : ConvertWith(sdr_profile_, false, window, pixels);
}

bool WarmUpColor() {
  // Display P3 (SMPTE EG 432-1) with a plain gamma, and a grey profile.
  const cmsCIExyY white{0.3127, 0.3290, 1.0};
  const cmsCIExyYTRIPLE primaries{{0.680, 0.320, 1.0}, {0.265, 0.690, 1.0}, {0.150, 0.060, 1.0}};
  cmsToneCurve* curve = cmsBuildGamma(nullptr, 2.2);
  cmsToneCurve* curves[] = {curve, curve, curve};
  bool fine = curve != nullptr;
  for (const bool grey : {false, true}) {
    cmsHPROFILE profile =
        grey ? cmsCreateGrayProfile(&white, curve) : cmsCreateRGBProfile(&white, &primaries, curves);
    std::array<uint8_t, 4096> bytes{};
    auto size = static_cast<cmsUInt32Number>(bytes.size());
    fine = fine && profile != nullptr && cmsSaveProfileToMem(profile, bytes.data(), &size) != 0;
    if (profile != nullptr) cmsCloseProfile(profile);
    RgbImage pixel;
    pixel.Reset(1, 1);
    std::memset(pixel.data(), 100, 3);
    ColorConverter converter;
    fine = fine &&
           converter.ConvertWith(std::span(bytes).first(size), grey, {}, &pixel) == ProfileUse::kConverted;
  }
  cmsFreeToneCurve(curve);
  return fine;
}

}  // namespace photovec::decode
