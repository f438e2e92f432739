// SPDX-License-Identifier: MIT
// The own JPEG decoder against libjpeg-turbo: for every input the same answer, and the same pixels.
#include <algorithm>
#include <cstring>

#include "decode/header_probe.h"
#include "decode/limits.h"
#include "decode/pixel_decoder.h"
#include "fuzz/fuzz_target.h"
#include "testing/test_images.h"

namespace photovec::fuzz {
namespace {

/// Scale and window come from the input, so that each of them is as likely.
decode::PixelRequest RequestFor(std::span<const uint8_t> encoded, const decode::ImageHeader& header) {
  uint32_t hash = 2166136261U;  // FNV-1a
  for (const uint8_t byte : encoded) hash = (hash ^ byte) * 16777619U;
  decode::PixelRequest request;
  request.encoded = encoded;
  request.header = &header;
  request.scale_denominator = 1 << (hash >> 8) % 4;
  if ((hash >> 10) % 4 == 0) {
    const int scale = request.scale_denominator;
    request.window.end_row = 1 + static_cast<int>(hash >> 12) % ((header.height + scale - 1) / scale);
    request.window.first_row = static_cast<int>(hash >> 20) % request.window.end_row;
    request.window.first_column = static_cast<int>(hash >> 16) % ((header.width + scale - 1) / scale);
    request.window.end_column = request.window.first_column + 1 + static_cast<int>(hash >> 24) % 32;
  }
  return request;
}

void CheckSamePixels(const RgbImage& a, const RgbImage& b, const decode::PixelWindow& window) {
  Check(a.width() == b.width() && a.height() == b.height(), "both decoders give the same size");
  const int first = std::clamp(window.first_column, 0, a.width());
  const int end = std::clamp(window.end_column, first, a.width());
  for (int y = window.first_row; y < std::min(a.height(), window.end_row); ++y) {
    const ptrdiff_t from = ptrdiff_t{3} * first;
    const auto bytes = static_cast<size_t>(end - first) * 3;
    Check(std::memcmp(a.view().Row(y) + from, b.view().Row(y) + from, bytes) == 0,
          "both decoders give the same pixels");
  }
}

}  // namespace

void FuzzOne(const uint8_t* data, size_t size) {
  const std::span<const uint8_t> encoded(data, size);
  const Result<decode::ImageHeader> header = decode::ProbeHeader(encoded);
  if (!header.ok() || header->format != decode::Format::kJpeg) return;
  decode::PixelRequest request = RequestFor(encoded, *header);
  request.limits.max_pixels = 1 << 18;  // small, so that time goes into parsing instead of filling pixels
  const decode::AlphaMode alpha = decode::AlphaMode::kDrop;
  if (!decode::CheckHeader(*header, request.scale_denominator, alpha, request.limits).ok()) return;
  static decode::CodecScratch scratch;
  static RgbImage turbo;
  static RgbImage own;
  request.jpeg_decoder = decode::JpegChoice::kLibjpegTurbo;
  const Status turbo_status = decode::DecodePixels(request, &scratch, &turbo);
  request.jpeg_decoder = decode::JpegChoice::kAuto;
  const Status own_status = decode::DecodePixels(request, &scratch, &own);
  Check(turbo_status.ToString() == own_status.ToString(), "both decoders give the same answer");
  if (own_status.ok()) CheckSamePixels(own, turbo, request.window);
}

void Repair(std::vector<uint8_t>* /*file*/) {}

std::vector<std::vector<uint8_t>> Seeds() {
  std::vector<std::vector<uint8_t>> seeds;
  for (const bool progressive : {false, true}) {
    for (const auto& [channels, h, v] : {std::array{1, 1, 1}, {3, 1, 1}, {3, 2, 1}, {3, 1, 2}, {3, 2, 2}}) {
      test::JpegOptions options;
      options.h_samp = h;
      options.v_samp = v;
      options.progressive = progressive;
      const test::Raster photo = test::MakePhoto(37, 29, channels);
      seeds.push_back(test::EncodeJpeg(photo, options));
      options.restart_mcus = 4;
      options.quality = 97;
      options.optimized = true;
      seeds.push_back(test::EncodeJpeg(photo, options));
    }
  }
  return seeds;
}

}  // namespace photovec::fuzz
