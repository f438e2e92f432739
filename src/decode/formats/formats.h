// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/image.h"
#include "base/result.h"
#include "decode/decoder.h"
#include "decode/header_probe.h"
#include "decode/pixel_decoder.h"

/// The formats that photovec decodes, one folder each. To add one: its value of Format, its signature in
/// sniff.cc, a folder with a probe and a codec, here their declarations and a row, and a row in libraries.cc
/// when it needs a library that is opened at run time.
namespace photovec::decode {

/// What there is to know of one format.
struct FormatEntry {
  Format format = Format::kUnknown;
  std::string_view name;   ///< as reports spell it
  std::string_view title;  ///< as messages spell it
  /// As ProbeHeader(), of content that Sniff() found to be of this format.
  Result<ImageHeader> (*probe)(std::span<const uint8_t> encoded) = nullptr;
  /// As DecodePixels().
  Status (*decode)(const PixelRequest& request, CodecScratch* scratch, RgbImage* out) = nullptr;
  /// DecodeCost::bytes.
  int64_t (*decoder_bytes)(const ImageHeader& header, int scale_denominator, AlphaMode alpha) = nullptr;
  /// For DecodeCost::cpu_ms: some four times what an honest photo takes on a core of a server.
  int64_t cpu_ms_per_megapixel = 100;
};

/// All of them, in the order of Format.
std::span<const FormatEntry> Formats();
/// nullptr for kUnknown.
const FormatEntry* FindFormat(Format format);
Result<ImageHeader> ProbeJpeg(std::span<const uint8_t> encoded);
Result<ImageHeader> ProbePng(std::span<const uint8_t> encoded);
Result<ImageHeader> ProbeWebp(std::span<const uint8_t> encoded);
Result<ImageHeader> ProbeGif(std::span<const uint8_t> encoded);
/// \param format kHeif or kAvif, as Sniff() said.
Result<ImageHeader> ProbeHeif(std::span<const uint8_t> encoded, Format format);
Result<ImageHeader> ProbeTiff(std::span<const uint8_t> encoded);
Result<ImageHeader> ProbeBmp(std::span<const uint8_t> encoded);
Result<ImageHeader> ProbePnm(std::span<const uint8_t> encoded);
Result<ImageHeader> ProbeQoi(std::span<const uint8_t> encoded);
Result<ImageHeader> ProbeIco(std::span<const uint8_t> encoded);

Result<ImageHeader> ProbeJxl(std::span<const uint8_t> encoded);
Result<ImageHeader> ProbeJpeg2000(std::span<const uint8_t> encoded);
Result<ImageHeader> ProbeRaw(std::span<const uint8_t> encoded);

Status DecodeJpeg(const PixelRequest& request, CodecScratch* scratch, RgbImage* out);
Status DecodePng(const PixelRequest& request, CodecScratch* scratch, RgbImage* out);
Status DecodeWebp(const PixelRequest& request, CodecScratch* scratch, RgbImage* out);
Status DecodeGif(const PixelRequest& request, CodecScratch* scratch, RgbImage* out);
/// Only after EnableLibraries() (libraries.h); else kUnsupportedFormat.
Status DecodeHeif(const PixelRequest& request, CodecScratch* scratch, RgbImage* out);
/// As DecodeHeif().
Status DecodeTiff(const PixelRequest& request, CodecScratch* scratch, RgbImage* out);
Status DecodeBmp(const PixelRequest& request, CodecScratch* scratch, RgbImage* out);
Status DecodePnm(const PixelRequest& request, CodecScratch* scratch, RgbImage* out);
Status DecodeQoi(const PixelRequest& request, CodecScratch* scratch, RgbImage* out);
Status DecodeIco(const PixelRequest& request, CodecScratch* scratch, RgbImage* out);
Status DecodeJxl(const PixelRequest& request, CodecScratch* scratch, RgbImage* out);
Status DecodeJpeg2000(const PixelRequest& request, CodecScratch* scratch, RgbImage* out);
Status DecodeRaw(const PixelRequest& request, CodecScratch* scratch, RgbImage* out);

}  // namespace photovec::decode
