// SPDX-License-Identifier: MIT
#include "decode/limits.h"

#include <algorithm>
#include <string>

#include "base/text/sizes.h"
#include "decode/formats/formats.h"

namespace photovec::decode {
namespace {

int64_t Area(int width, int height) { return static_cast<int64_t>(width) * height; }

std::string SizeText(const ImageHeader& header) {
  return std::to_string(header.width) + " x " + std::to_string(header.height) + " pixels";
}

Status CheckPixels(const ImageHeader& header, const Limits& limits) {
  // The tiles of a HEIC may be more than its grid shows, each as large as it likes.
  const int64_t pixels = std::max(Area(header.width, header.height), header.heif.largest_part_pixels);
  if (header.heif.parts_pixels / 4 > limits.max_pixels) {
    return {Code::kTooManyPixels, "the parts of the image have " + std::to_string(header.heif.parts_pixels) +
                                      " pixels; the limit is four times " +
                                      std::to_string(limits.max_pixels) + " (--max-pixels)"};
  }
  if (header.width > limits.max_side || header.height > limits.max_side) {
    return {Code::kTooManyPixels, "the image has " + SizeText(header) + "; the limit is " +
                                      std::to_string(limits.max_side) + " a side (--max-side)"};
  }
  if (pixels > limits.max_pixels) {
    return {Code::kTooManyPixels, "the image has " + SizeText(header) + " = " + std::to_string(pixels) +
                                      "; the limit is " + std::to_string(limits.max_pixels) +
                                      " (--max-pixels)"};
  }
  return Status::Ok();
}

}  // namespace

DecodeCost EstimateCost(const ImageHeader& header, int scale_denominator, AlphaMode alpha,
                        size_t encoded_bytes) {
  const FormatEntry* entry = FindFormat(header.format);
  if (entry == nullptr) return {};
  // Scaled decoding saves some of the time, but reads all of the data.
  const int64_t pixels = std::max(Area(header.width, header.height), header.heif.parts_pixels);
  // A few nanoseconds each on a fast machine, for each scan of a progressive JPEG anew.
  constexpr int64_t kVisitsPerMs = 2'000;
  const int64_t visits = header.jpeg.multi_scan ? header.jpeg.block_visits : 0;
  return {entry->decoder_bytes(header, scale_denominator, alpha) +
              kCopiesOfTheFile * static_cast<int64_t>(encoded_bytes),
          pixels / 1'000 * entry->cpu_ms_per_megapixel / 1'000 + visits / kVisitsPerMs};
}

Status CheckFileSize(size_t encoded_bytes, const Limits& limits) {
  if (encoded_bytes == 0) return {Code::kUnsupportedFormat, "the image is empty (0 bytes)"};
  if (static_cast<int64_t>(encoded_bytes) <= limits.max_file_bytes) return Status::Ok();
  return {Code::kBodyTooLarge, "the image file has " + HumanBytes(encoded_bytes) + "; the limit is " +
                                   HumanBytes(static_cast<uint64_t>(limits.max_file_bytes)) +
                                   " (--max-image-bytes)"};
}

Status CheckHeader(const ImageHeader& header, int scale_denominator, AlphaMode alpha, const Limits& limits,
                   size_t encoded_bytes) {
  if (Status status = CheckPixels(header, limits); !status.ok()) return status;
  if (header.jpeg.multi_scan && header.jpeg.scans > limits.max_jpeg_scans) {
    return {Code::kDecodeLimit, "the JPEG has " + std::to_string(header.jpeg.scans) +
                                    " scans; the limit is " + std::to_string(limits.max_jpeg_scans) +
                                    " (--max-jpeg-scans)"};
  }
  const DecodeCost cost = EstimateCost(header, scale_denominator, alpha, encoded_bytes);
  if (cost.bytes > limits.max_decoder_bytes) {
    return {Code::kDecodeLimit, "decoding " + SizeText(header) + " of this kind takes " +
                                    HumanBytes(static_cast<uint64_t>(cost.bytes)) +
                                    " of memory; the limit is " +
                                    HumanBytes(static_cast<uint64_t>(limits.max_decoder_bytes)) +
                                    " (--max-decoder-bytes, --decode-memory)"};
  }
  if (cost.cpu_ms / 1'000 >= limits.max_cpu_s) {
    const std::string scans =
        header.jpeg.multi_scan ? " in " + std::to_string(header.jpeg.scans) + " scans" : "";
    return {Code::kDecodeLimit, "decoding " + SizeText(header) + scans + " of this kind may take " +
                                    std::to_string(cost.cpu_ms / 1'000) + " s of CPU time; the limit is " +
                                    std::to_string(limits.max_cpu_s) + " s (--max-decode-cpu)"};
  }
  return Status::Ok();
}

}  // namespace photovec::decode
