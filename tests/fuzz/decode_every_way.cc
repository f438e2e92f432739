// SPDX-License-Identifier: MIT
#include <cstring>
#include <memory>

#include "decode/decoder.h"
#include "decode/header_probe.h"
#include "decode/limits.h"
#include "decode/pixel_decoder.h"
#include "fuzz/fuzz_target.h"

namespace photovec::fuzz {
namespace {

using decode::AlphaMode;

/// Decodes into memory filled with `poison`.
Status DecodePoisoned(const decode::PixelRequest& request, uint8_t poison, RgbImage* image) {
  decode::CodecScratch scratch;
  scratch.bytes.assign(4096, poison);
  image->Reset(request.header->width, request.header->height);
  std::memset(image->data(), poison, image->capacity_bytes());
  return decode::DecodePixels(request, &scratch, image);
}

/// Pixels twice, over different memory contents.
void DecodeTwice(std::span<const uint8_t> encoded, const decode::ImageHeader& header, int denominator,
                 AlphaMode alpha, const decode::Limits& limits) {
  if (!decode::CheckHeader(header, denominator, alpha, limits).ok()) return;
  decode::PixelRequest request;
  request.encoded = encoded;
  request.header = &header;
  request.scale_denominator = denominator;
  request.alpha = alpha;
  request.limits = limits;
  RgbImage first;
  RgbImage second;
  const Status status = DecodePoisoned(request, 0x00, &first);
  const Status again = DecodePoisoned(request, 0xFF, &second);
  Check(status.ToString() == again.ToString(), "the same bytes give the same status");
  if (!status.ok()) return;
  Check(first.width() == (header.width + denominator - 1) / denominator, "the size is what the header said");
  Check(std::memcmp(first.data(), second.data(), first.stride() * static_cast<size_t>(first.height())) == 0,
        "a decode that succeeds writes every pixel");
}

}  // namespace

void DecodeEveryWay(const uint8_t* data, size_t size) {
  const std::span<const uint8_t> encoded(data, size);
  decode::Limits limits;
  limits.max_pixels = 1 << 20;  // small, so that time goes into parsing instead of filling pixels
  limits.max_decoder_bytes = 32 << 20;
  const Result<decode::ImageHeader> header = decode::ProbeHeader(encoded);
  if (header.ok()) {
    Check(header->width > 0 && header->height > 0, "sizes are positive");
    Check(header->orientation >= 1 && header->orientation <= 8, "orientations are 1 to 8");
    DecodeTwice(encoded, *header, 1, AlphaMode::kDrop, limits);
    DecodeTwice(encoded, *header, 1, AlphaMode::kWhite, limits);
    if (header->format == decode::Format::kJpeg) DecodeTwice(encoded, *header, 8, AlphaMode::kDrop, limits);
  }
  static const std::unique_ptr<decode::Decoder> decoder = decode::MakeInProcessDecoder();
  preprocess::Spec spec;
  spec.resize_short = spec.crop = 16;
  std::vector<uint8_t> slot(spec.slot_bytes());
  decode::DecodeJob job;
  job.encoded = encoded;
  job.spec = &spec;
  job.options.limits = limits;
  job.out = slot;
  const Result<decode::DecodeReport> report = decoder->Decode(job);
  Check(!report.ok() || header.ok(), "what decodes has a header");
  Check(report.ok() || report.status().code() != Code::kInternal, "no input is our bug");
  if (!report.ok()) return;
  job.options.color = decode::ColorMode::kSrgb;
  Check(decoder->Decode(job).ok(), "a colour profile never costs a photo");
}

}  // namespace photovec::fuzz
