// SPDX-License-Identifier: MIT
// Two JPEGs decoded at the same time by the own decoder, one of them or both hostile: each ends as it does
// alone, and has libjpeg-turbo's pixels when it ends well.
#include <array>

#include "decode/formats/jpeg/own/own_decoder.h"
#include "decode/limits.h"
#include "fuzz/same_pixels.h"

namespace photovec::fuzz {
namespace {

using decode::jpeg::OwnDecoder;
using decode::jpeg::Progress;

/// One of the two.
struct Photo {
  decode::PixelRequest request;
  decode::CodecScratch scratch;
  RgbImage image;
  Progress progress = Progress::kHandedBack;
};

/// Until both are at their ends.
void DecodeBoth(OwnDecoder* first, OwnDecoder* second, std::array<Photo, 2>* photos) {
  auto& [a, b] = *photos;
  a.progress = first->Start(a.request, &a.scratch, &a.image);
  b.progress = second->Start(b.request, &b.scratch, &b.image);
  if (a.progress == Progress::kMore && b.progress == Progress::kMore) {
    OwnDecoder::ContinueBoth(first, second, &a.progress, &b.progress);
  }
  while (a.progress == Progress::kMore) a.progress = first->Continue(1);
  while (b.progress == Progress::kMore) b.progress = second->Continue(1);
}

void CheckAgainstLibjpeg(const Photo& photo) {
  if (photo.progress != Progress::kDone) return;
  static decode::CodecScratch scratch;
  static RgbImage turbo;
  decode::PixelRequest request = photo.request;
  request.jpeg_decoder = decode::JpegChoice::kLibjpegTurbo;
  Check(decode::DecodePixels(request, &scratch, &turbo).ok(),
        "libjpeg-turbo reads what the own decoder reads");
  CheckSamePixels(photo.image, turbo, request.window);
}

const std::vector<std::vector<uint8_t>>& Honest() {
  static const auto seeds = JpegSeeds(false);
  return seeds;
}

}  // namespace

void FuzzOne(const uint8_t* data, size_t size) {
  const std::span<const uint8_t> encoded(data, size);
  const Result<decode::ImageHeader> header = decode::ProbeHeader(encoded);
  if (!header.ok() || header->format != decode::Format::kJpeg) return;
  const uint32_t hash = HashOf(encoded);
  // Beside it an honest photo, or itself at another scale.
  const bool itself = hash % 4 == 0;
  const std::span<const uint8_t> other =
      itself ? encoded : std::span(Honest()[(hash >> 2) % Honest().size()]);
  const Result<decode::ImageHeader> other_header = decode::ProbeHeader(other);

  static OwnDecoder first;
  static OwnDecoder second(&first);
  static std::array<Photo, 2> photos;
  const bool swapped = (hash >> 8) % 2 == 0;
  Photo& hostile = photos[swapped ? 1 : 0];
  Photo& honest = photos[swapped ? 0 : 1];
  hostile.request.encoded = encoded;
  hostile.request.header = &*header;
  hostile.request.scale_denominator = 1 << (hash >> 9) % 4;
  honest.request.encoded = other;
  honest.request.header = &*other_header;
  honest.request.scale_denominator = 1 << (hash >> 11) % 4;
  decode::Limits limits;
  limits.max_pixels = 1 << 18;  // small, so that time goes into parsing instead of filling pixels
  const int scale = hostile.request.scale_denominator;
  if (!decode::CheckHeader(*header, scale, decode::AlphaMode::kDrop, limits).ok()) return;

  DecodeBoth(&first, &second, &photos);
  if (!itself) Check(honest.progress == Progress::kDone, "a hostile photo does not stop the honest one");
  CheckAgainstLibjpeg(photos[0]);
  CheckAgainstLibjpeg(photos[1]);
  const Progress beside = hostile.progress;
  static decode::CodecScratch scratch;
  static RgbImage alone;
  if (header->jpeg.progressive) return;
  const bool done = first.Decode(hostile.request, &scratch, &alone);
  Check(done == (beside == Progress::kDone), "a photo ends beside another one as it does alone");
}

void Repair(std::vector<uint8_t>* /*file*/) {}

std::vector<std::vector<uint8_t>> Seeds() { return JpegSeeds(false); }

}  // namespace photovec::fuzz
