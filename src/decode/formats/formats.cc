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
int64_t HeifBytes(const ImageHeader& header, int d, AlphaMode /*alpha*/) {
  const HeifFacts& heif = header.heif;
  const int64_t sample = heif.bit_depth > 8 ? 2 : 1;
  const int64_t part = sample * (heif.subsampled ? 5 : 7);
  const int64_t shown = 3 + (heif.has_alpha ? 1 : 0);
  const int64_t area = Area((header.width + d - 1) / d, (header.height + d - 1) / d);
  return area * shown + heif.largest_part_pixels * part + heif.blend_bytes + 3 * heif.data_bytes +
         (int64_t{2} << 20);
}

/// Measured over 3 and 12 MP with libjxl 0.7, as bytes a pixel, output included: 5 to 9 lossy, 4 to 5
/// lossless, with or without alpha. Lossless files that are made to be shown while they load take 34, with
/// alpha 42, and nothing in the header tells: the worker's address space bounds them.
int64_t JxlBytes(const ImageHeader& header, int /*d*/, AlphaMode alpha) {
  const JxlFacts& jxl = header.jxl;
  const bool white = alpha == AlphaMode::kWhite && jxl.has_alpha;
  const int64_t whole_channels = 3 + jxl.extra_channels;
  const bool lossy = jxl.xyb && jxl.extra_channels == 0;
  return Area(header) * ((lossy ? 9 : 3 + 4 * whole_channels) + (white ? 4 : 0)) + (int64_t{8} << 20);
}

/// OpenJPEG holds every sample as 32 bits, those of a tile apart, a palette's colours beside its indices.
int64_t Jpeg2000Bytes(const ImageHeader& header, int /*d*/, AlphaMode /*alpha*/) {
  constexpr int64_t kMaxChannels = 4;
  const Jpeg2000Facts& facts = header.jpeg2000;
  const int64_t palette = facts.has_palette ? kMaxChannels * facts.samples : 0;
  return Area(header) * 3 + 4 * (facts.samples + palette + facts.tile_samples) + facts.table_bytes +
         RowBytes(header);
}

/// The output, planes that are put together, and one strip or tile, as far as its codec holds it whole.
int64_t TiffBytes(const ImageHeader& header, int /*d*/, AlphaMode /*alpha*/) {
  const TiffFacts& tiff = header.tiff;
  const int64_t sample_bytes = (tiff.bits + 7) / 8;
  const bool tiled = tiff.tile_width > 0;
  const int64_t piece = tiled ? Area(tiff.tile_width, tiff.tile_height) : Area(header.width, tiff.strip_rows);
  int64_t bytes = Area(header) * 3 + (tiff.planar ? Area(header) * tiff.samples : 0);
  if (tiled) bytes += piece * tiff.samples * sample_bytes;
  if (tiff.photometric == TiffColor::kYcbcr) bytes += piece * 7;    // libtiff's RGBA and what it is made of
  if (tiff.compression == 50001) bytes += piece * 4;                // WebP
  if (tiff.progressive) bytes += piece * tiff.samples * 2;          // coefficients
  bytes += 2 * tiff.directory_bytes;                                // numbers become wider
  if (tiff.reversed) bytes += piece * tiff.samples * sample_bytes;  // a copy of the data
  return bytes + RowBytes(header) + (int64_t{1} << 20);
}

/// BMP, PNM and QOI hold nothing but a row and tables.
int64_t OwnBytes(const ImageHeader& header, int /*d*/, AlphaMode /*alpha*/) {
  return Area(header) * 3 + RowBytes(header) + (int64_t{128} << 10);
}

/// A PNG inside, at most: of a bitmap PngFacts say nothing.
int64_t IcoBytes(const ImageHeader& header, int d, AlphaMode alpha) {
  return PngBytes(header, d, alpha) + OwnBytes(header, d, alpha) - Area(header) * 3;
}

template <Format kFormat>
Result<ImageHeader> ProbeHeifAs(std::span<const uint8_t> encoded) {
  return ProbeHeif(encoded, kFormat);
}

constexpr std::array kFormats = {
    FormatEntry{Format::kJpeg, "jpeg", "JPEG", &ProbeJpeg, &DecodeJpeg, &JpegBytes, 80},
    FormatEntry{Format::kPng, "png", "PNG", &ProbePng, &DecodePng, &PngBytes},
    FormatEntry{Format::kWebp, "webp", "WebP", &ProbeWebp, &DecodeWebp, &WebpBytes},
    FormatEntry{Format::kGif, "gif", "GIF", &ProbeGif, &DecodeGif, &GifBytes},
    FormatEntry{Format::kHeif, "heif", "HEIC", &ProbeHeifAs<Format::kHeif>, &DecodeHeif, &HeifBytes, 300},
    FormatEntry{Format::kAvif, "avif", "AVIF", &ProbeHeifAs<Format::kAvif>, &DecodeHeif, &HeifBytes, 200},
    FormatEntry{Format::kTiff, "tiff", "TIFF", &ProbeTiff, &DecodeTiff, &TiffBytes, 300},
    FormatEntry{Format::kBmp, "bmp", "BMP", &ProbeBmp, &DecodeBmp, &OwnBytes},
    FormatEntry{Format::kPnm, "pnm", "PNM", &ProbePnm, &DecodePnm, &OwnBytes},
    FormatEntry{Format::kQoi, "qoi", "QOI", &ProbeQoi, &DecodeQoi, &OwnBytes},
    FormatEntry{Format::kIco, "ico", "ICO", &ProbeIco, &DecodeIco, &IcoBytes},
    FormatEntry{Format::kJxl, "jxl", "JPEG XL", &ProbeJxl, &DecodeJxl, &JxlBytes, 800},
    FormatEntry{Format::kJpeg2000, "jpeg2000", "JPEG 2000", &ProbeJpeg2000, &DecodeJpeg2000, &Jpeg2000Bytes,
                500},
    FormatEntry{Format::kRaw, "raw", "camera raw", &ProbeRaw, &DecodeRaw, &JpegBytes, 80},
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
