// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/result.h"
#include "decode/decoder.h"

namespace photovec::decode {
struct HeifPlan;

/// How numbers become colours: the code points of ITU-T H.273 (CICP), by their names there.
struct ColourCode {
  uint32_t primaries = 2;  ///< 2: unspecified
  uint32_t transfer = 2;
  uint32_t matrix = 2;
  bool full_range = false;
  bool operator==(const ColourCode&) const = default;
};

/// What a JPEG's frame header and scan headers promise.
struct JpegFacts {
  int components = 0;     ///< 1 (grey), 3 or 4
  bool baseline = false;  ///< sequential, Huffman, 8 bits (SOF0)
  bool progressive = false;
  bool multi_scan = false;        ///< all coefficients are held in memory until the last scan was read
  int scans = 1;                  ///< counted to the end of the file when multi_scan
  int64_t coefficient_bytes = 0;  ///< of the whole image at full size
  int64_t block_visits = 0;       ///< 8x8 blocks that entropy decoding touches, over all scans
  /// Of multi_scan: where the scans end that the pixels need (what follows may be anything), or the last
  /// whole segment of a file that ends before; 0: at its end.
  size_t scans_end = 0;
  bool cut = false;            ///< of multi_scan: the file ends before them, without an end marker
  bool all_components = true;  ///< of multi_scan: each has a scan of its own DC coefficients
};

struct PngFacts {
  int bit_depth = 0;
  int color_type = 0;  ///< 0 grey, 2 RGB, 3 palette, 4 grey + alpha, 6 RGBA
  bool interlaced = false;
};

/// A rectangle of the canvas, pixels.
struct FrameRect {
  int x = 0;
  int y = 0;
  int width = 0;
  int height = 0;
};

struct WebpFacts {
  bool lossless = false;
  bool has_alpha = false;
  bool animated = false;
  FrameRect frame;                   ///< of the first frame; the whole canvas when not animated
  std::span<const uint8_t> payload;  ///< what libwebp decodes: the chunks of the picture or the first frame
};

struct GifFacts {
  FrameRect frame;
  int transparent_index = -1;
  bool interlaced = false;
  std::span<const uint8_t> palette;  ///< RGB triples, of the frame or of all; empty: none
  std::span<const uint8_t> data;     ///< of the frame and all that follows, from the code size on
};

/// What the boxes of a HEIC or AVIF file say about its primary image and everything that it is made of.
struct HeifFacts {
  bool hevc = false;        ///< some of it is coded in HEVC
  bool av1 = false;         ///< some of it is coded in AV1
  int bit_depth = 8;        ///< the largest of its parts
  bool subsampled = false;  ///< chroma of half the width in every part (4:2:0 or 4:2:2), or none
  bool has_alpha = false;
  bool cropped = false;                  ///< by `clap`
  bool turned = false;                   ///< by `irot` or `imir`
  bool derived = false;                  ///< a grid or another composition
  int64_t largest_part_pixels = 0;       ///< of the pictures that are decoded by themselves
  int64_t parts_pixels = 0;              ///< of all of them together
  int64_t data_bytes = 0;                ///< of all of them together, encoded
  int64_t blend_bytes = 0;               ///< to lay one with transparency over the others, the largest
  int max_scale = 1;                     ///< the largest scale denominator, if alpha is not asked for
  bool has_icc = false;                  ///< the primary image names an ICC profile
  std::span<const uint8_t> icc;          ///< its bytes
  std::shared_ptr<const HeifPlan> plan;  ///< all that is to be decoded: formats/heif/plan.h; borrows the file
};

struct JxlFacts {
  int bit_depth = 8;
  int extra_channels = 0;
  bool has_alpha = false;  ///< one of them
  bool grey = false;
  bool xyb = true;  ///< lossy: in colours of its own instead of a profile's
  bool animated = false;
};

struct Jpeg2000Facts {
  int components = 0;
  int bit_depth = 8;  ///< the largest
  bool has_palette = false;
  int64_t samples = 0;           ///< of all components
  int64_t tile_samples = 0;      ///< of all components of the largest tile; 0 when there is only one
  int64_t table_bytes = 0;       ///< what cutting it into tiles, precincts and code-blocks takes, from above
  bool has_icc = false;          ///< it names an ICC profile
  std::span<const uint8_t> icc;  ///< its bytes
};

/// Of a camera's raw file, beside the facts of the JPEG that it is read as.
struct RawFacts {
  std::span<const uint8_t> preview;  ///< that JPEG
};

enum class TiffColor { kWhiteIsZero, kBlackIsZero, kRgb, kPalette, kCmyk = 5, kYcbcr };
enum class TiffAlpha { kNone, kAssociated, kUnassociated };
/// What the first directory of a TIFF says.
struct TiffFacts {
  TiffColor photometric = TiffColor::kWhiteIsZero;
  TiffAlpha alpha = TiffAlpha::kNone;
  int bits = 1;           ///< of every sample
  int samples = 1;        ///< of a pixel, further ones than colours and alpha included
  int sample_format = 1;  ///< 1 unsigned, 2 signed, 3 float
  int compression = 1;
  bool planar = false;       ///< samples lie apart from each other
  bool reversed = false;     ///< bits of each byte
  bool progressive = false;  ///< a JPEG inside may be
  int strip_rows = 0;        ///< 0: tiles
  int tile_width = 0;        ///< 0: strips
  int tile_height = 0;
  int64_t directory_bytes = 0;  ///< of the values of all tags
  bool has_icc = false;
  std::span<const uint8_t> icc;
};
/// Samples of a pixel that are its colour.
constexpr int ColorSamples(const TiffFacts& tiff) {
  if (tiff.photometric == TiffColor::kCmyk) return 4;
  return tiff.photometric == TiffColor::kRgb || tiff.photometric == TiffColor::kYcbcr ? 3 : 1;
}

/// Everything that a header says before any pixel is allocated. Only the facts of `format` are set.
struct ImageHeader {
  Format format = Format::kUnknown;
  int width = 0;  ///< stored size (the canvas for WebP and GIF), before orientation; HEIC, AVIF: once turned
  int height = 0;
  int orientation = 1;  ///< EXIF 1..8; 1 when EXIF is absent or broken, and for HEIC and AVIF
  /// HEIC, AVIF and PNG (cICP), when the photo says any.
  std::optional<ColourCode> colour;
  JpegFacts jpeg;
  PngFacts png;
  WebpFacts webp;
  GifFacts gif;
  HeifFacts heif;
  TiffFacts tiff;
  JxlFacts jxl;
  Jpeg2000Facts jpeg2000;
  RawFacts raw;

  /// Whether a JPEG decoder gives its pixels: limits and scaling are those of JPEGs.
  bool IsJpegCoded() const { return format == Format::kJpeg || format == Format::kRaw; }
};

/// Reads the header of one photo. O(file size) in the worst case, a few hundred nanoseconds for most;
/// allocates nothing but the tables of a HEIC or AVIF. The result borrows `encoded` (WebpFacts::payload,
/// HeifFacts::icc, ...). Thread-safe. Errors: kUnsupportedFormat (unknown content, or a variant that no decoder
/// here knows: lossless or 12-bit JPEG), kImageCorrupt (the header is cut or contradicts itself).
Result<ImageHeader> ProbeHeader(std::span<const uint8_t> encoded);

/// What a photo says of its orientation. Readers ask EXIF first, and XMP only if the former says nothing at
/// all, as Pillow 13 does. A broken one never costs a photo.
class OrientationNotes {
 public:
  /// An EXIF block, with or without its "Exif\0\0" prefix: tag 0x0112 of IFD 0. Only the first that is given
  /// counts. A tag of another type or with an impossible value says 1. Source: EXIF 2.32 §4.6.4; TIFF 6.0 §2.
  void AddExif(std::span<const uint8_t> exif);
  /// An XMP packet: the first tiff:Orientation in it, as an attribute or an element. The last packet that is
  /// given counts. Source: XMP specification part 2 §2.4.
  void AddXmp(std::span<const uint8_t> xmp);
  /// Both kinds of a JPEG's APP1 segment; others are passed over.
  void AddApp1(std::span<const uint8_t> segment);

  bool exif_says() const { return exif_.has_value(); }
  /// 1 to 8; 1 when nothing is said.
  int Value() const { return exif_.value_or(xmp_.value_or(1)); }

 private:
  bool exif_seen_ = false;
  std::optional<int> exif_;
  std::optional<int> xmp_;
};

/// OrientationNotes of one EXIF block.
int ExifOrientation(std::span<const uint8_t> exif);

}  // namespace photovec::decode
