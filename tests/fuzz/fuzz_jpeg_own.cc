// SPDX-License-Identifier: MIT
// The own JPEG decoder against libjpeg-turbo: for every input the same answer, and the same pixels.
#include <utility>

#include "decode/limits.h"
#include "fuzz/same_pixels.h"

namespace photovec::fuzz {
namespace {

decode::PixelRequest RequestFor(std::span<const uint8_t> encoded, const decode::ImageHeader& header) {
  const uint32_t hash = HashOf(encoded);
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
  std::vector<std::vector<uint8_t>> seeds = JpegSeeds(false);
  for (std::vector<uint8_t>& seed : JpegSeeds(true)) seeds.push_back(std::move(seed));
  return seeds;
}

}  // namespace photovec::fuzz
