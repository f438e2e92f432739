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

struct Outcome {
  Status status;
  int rows_ok = -1;
  RgbImage image;
};

/// Decodes into memory filled with `poison`.
Outcome DecodePoisoned(const decode::PixelRequest& request, uint8_t poison) {
  decode::CodecScratch scratch;
  scratch.bytes.assign(size_t{1} << 18, poison);
  Outcome outcome;
  outcome.image.Reset(request.header->width, request.header->height);
  std::memset(outcome.image.data(), poison, outcome.image.capacity_bytes());
  outcome.status = decode::DecodePixels(request, &scratch, &outcome.image);
  outcome.rows_ok = scratch.damaged_after_rows;
  return outcome;
}

bool SamePixels(Outcome& a, Outcome& b) {
  const size_t bytes = a.image.stride() * static_cast<size_t>(a.image.height());
  return a.image.height() == b.image.height() && std::memcmp(a.image.data(), b.image.data(), bytes) == 0;
}

/// Pixels twice, over different memory contents, strict and tolerant.
void DecodeTwice(std::span<const uint8_t> encoded, const decode::ImageHeader& header, int denominator,
                 AlphaMode alpha, const decode::Limits& limits) {
  if (!decode::CheckHeader(header, denominator, alpha, limits).ok()) return;
  decode::PixelRequest request;
  request.encoded = encoded;
  request.header = &header;
  request.scale_denominator = denominator;
  request.alpha = alpha;
  request.limits = limits;
  Outcome strict = DecodePoisoned(request, 0x00);
  request.damaged = decode::DamagedMode::kTolerant;
  Outcome first = DecodePoisoned(request, 0x00);
  Outcome second = DecodePoisoned(request, 0xFF);
  Check(first.status.ToString() == second.status.ToString(), "the same bytes give the same status");
  Check(first.rows_ok == second.rows_ok, "the same bytes are as damaged");
  Check(strict.rows_ok < 0, "the strict mode reads nothing that is damaged");
  Check(strict.status.ok() == (first.status.ok() && first.rows_ok < 0), "both modes read what is whole");
  if (!first.status.ok()) return;
  Check(first.image.width() == (header.width + denominator - 1) / denominator,
        "the size is what the header said");
  Check(SamePixels(first, second), "a decode that succeeds writes every pixel");
  Check(!strict.status.ok() || SamePixels(first, strict), "both modes give the same pixels");
  Check(first.rows_ok < 0 || (first.rows_ok >= 1 && first.rows_ok <= header.height),
        "rows_ok is in the photo");
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
