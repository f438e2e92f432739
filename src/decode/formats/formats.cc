// SPDX-License-Identifier: MIT
#include "decode/formats/formats.h"

#include <algorithm>
#include <array>

namespace photovec::decode {
namespace {

int64_t Area(int width, int height) { return static_cast<int64_t>(width) * height; }

int64_t Area(const ImageHeader& header) { return Area(header.width, header.height); }

/// Row buffers and fixed tables of any codec.
int64_t RowBytes(const ImageHeader& header) { return int64_t{64} * (header.width + 1024); }

int64_t JpegBytes(const ImageHeader& header, int d, AlphaMode /*alpha*/) {
  const int64_t output = Area((header.width + d - 1) / d, (header.height + d - 1) / d) * 3;
  return output + (header.jpeg.multi_scan ? header.jpeg.coefficient_bytes : 0) + RowBytes(header);
}

int64_t PngBytes(const ImageHeader& header, int /*d*/, AlphaMode /*alpha*/) {
  const PngFacts& png = header.png;
  const int samples = png.color_type == 2 ? 3 : png.color_type == 4 ? 2 : png.color_type == 6 ? 4 : 1;
  const int64_t pixel = (samples * png.bit_depth + 7) / 8;
  return Area(header) * 3 + (png.interlaced ? Area(header) * pixel : 0) + RowBytes(header);
}

int64_t WebpBytes(const ImageHeader& header, int /*d*/, AlphaMode alpha) {
  const WebpFacts& webp = header.webp;
  const int64_t frame = Area(webp.frame.width, webp.frame.height);
  const int64_t codec = webp.lossless ? frame * 4 : webp.has_alpha ? frame * 2 : 0;
  const bool white = alpha == AlphaMode::kWhite && webp.has_alpha;
  return Area(header) * 3 + codec + (white ? frame * 4 : 0) + RowBytes(header);
}

int64_t GifBytes(const ImageHeader& header, int /*d*/, AlphaMode /*alpha*/) {
  return Area(header) * 3 + RowBytes(header);
}

/// What libheif 1.15 holds at its peak beside the output: the planes of the largest coded picture as its
/// decoder made them, and once more in full size; before that the decoder's own. Their data lie there three
/// times.
int64_t HeifBytes(const ImageHeader& header, int d, AlphaMode alpha) {
  const HeifFacts& heif = header.heif;
  const int64_t sample = heif.bit_depth > 8 ? 2 : 1;
  const int64_t part = sample * (heif.subsampled ? 5 : 7);
  const int64_t shown = 3 + (heif.has_alpha && alpha == AlphaMode::kWhite ? 1 : 0);
  const int64_t area = Area((header.width + d - 1) / d, (header.height + d - 1) / d);
  return area * shown + heif.largest_part_pixels * part + 3 * heif.data_bytes + (int64_t{2} << 20);
}

template <Format kFormat>
Result<ImageHeader> ProbeHeifAs(std::span<const uint8_t> encoded) {
  return ProbeHeif(encoded, kFormat);
}

constexpr std::array kFormats = {
    FormatEntry{Format::kJpeg, "jpeg", &ProbeJpeg, &DecodeJpeg, &JpegBytes, 80},
    FormatEntry{Format::kPng, "png", &ProbePng, &DecodePng, &PngBytes},
    FormatEntry{Format::kWebp, "webp", &ProbeWebp, &DecodeWebp, &WebpBytes},
    FormatEntry{Format::kGif, "gif", &ProbeGif, &DecodeGif, &GifBytes},
    FormatEntry{Format::kHeif, "heif", &ProbeHeifAs<Format::kHeif>, &DecodeHeif, &HeifBytes, 300},
    FormatEntry{Format::kAvif, "avif", &ProbeHeifAs<Format::kAvif>, &DecodeHeif, &HeifBytes, 200},
};

}  // namespace

std::span<const FormatEntry> Formats() { return kFormats; }

const FormatEntry* FindFormat(Format format) {
  for (const FormatEntry& entry : kFormats) {
    if (entry.format == format) return &entry;
  }
  return nullptr;
}

std::string_view FormatName(Format format) {
  const FormatEntry* entry = FindFormat(format);
  return entry != nullptr ? entry->name : "unknown";
}

}  // namespace photovec::decode
