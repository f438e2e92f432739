// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/image.h"
#include "decode/decoder.h"
#include "decode/header_probe.h"
#include "decode/pixel_decoder.h"

namespace photovec::decode {

/// Memory that lcms2 may take for one profile; one that needs more is ignored. What is kept of ordinary ones
/// is 0.1 to 0.5 MB; on the way a table of kMaxIccBytes takes a few times its own size.
inline constexpr size_t kMaxColorBytes = size_t{64} << 20;

class ColorTransform;
class HdrToSrgb;

/// Brings decoded pixels from the colours of their photo's ICC profile to sRGB, as Pillow's
/// ImageCms.profileToProfile with its defaults does: lcms2, perceptual intent, 8 bits. Code points (ITU-T
/// H.273; HEIC, AVIF, PNG's cICP) do the same where there is no profile, or, in a PNG, before it; those of
/// HDR always: hdr.h.
///
/// A profile never costs a photo. Ignored are profiles that are broken, oversized (kMaxIccBytes,
/// kMaxColorBytes), of another kind of pixels than the photo's (RGB for colour, GRAY for grey), of no
/// input, display, output or colour space class, or with multi-process elements (D2Bx tags: a few MB of them
/// describe minutes of work). The answer depends on the photo alone, never on earlier ones.
///
/// One per Decoder; not thread-safe. Keeps the transforms of the last kKept profiles, at most 5 MiB each.
class ColorConverter {
 public:
  static constexpr size_t kKept = 4;

  /// \param max_bytes for lcms2, each profile.
  explicit ColorConverter(size_t max_bytes = kMaxColorBytes);
  ~ColorConverter();
  ColorConverter(const ColorConverter&) = delete;
  ColorConverter& operator=(const ColorConverter&) = delete;

  /// Converts the pixels of `window` in place.
  /// \param pixels what DecodePixels() gave for this photo.
  ProfileUse Convert(std::span<const uint8_t> encoded, const ImageHeader& header, const PixelWindow& window,
                     RgbImage* pixels);
  /// The same with a profile that has been taken out of its container.
  /// \param grey whether the photo has one channel: pixels are grey, and a GRAY profile fits.
  ProfileUse ConvertWith(std::span<const uint8_t> profile, bool grey, const PixelWindow& window,
                         RgbImage* pixels);

 private:
  /// The transform of a profile, from those kept or new. Null: the profile is to be ignored. Valid until the
  /// next call.
  const ColorTransform* TransformOf(std::span<const uint8_t> profile);

  const size_t max_bytes_;
  /// Converts HDR photos. \return whether the photo was one.
  bool ConvertHdr(const ColourCode& code, const PixelWindow& window, RgbImage* pixels);
  /// Converts by the code points of SDR photos that have no profile.
  ProfileUse ConvertByCode(const ColourCode& code, const PixelWindow& window, RgbImage* pixels);

  struct Kept;
  std::vector<std::unique_ptr<Kept>> kept_;  // the last used first
  std::unique_ptr<ColorTransform> large_;    // too large to keep: until the next call
  std::vector<uint8_t> storage_;
  std::optional<ColourCode> hdr_code_;
  std::unique_ptr<HdrToSrgb> hdr_;  // of the last photo that was HDR
  std::optional<ColourCode> sdr_code_;
  std::vector<uint8_t> sdr_profile_;  // of the last photo that had code points and no profile
};

/// Converts one pixel of each kind, so that lcms2 has bound its symbols and read the time zone. For processes
/// that lock themselves in afterwards. \return whether it worked.
bool WarmUpColor();

}  // namespace photovec::decode
