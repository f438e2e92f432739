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
  if (header.heif.parts_pixels > 4 * limits.max_pixels) {
    return {Code::kTooManyPixels, "the parts of the image have " + std::to_string(header.heif.parts_pixels) +
                                      " pixels; the limit is " + std::to_string(4 * limits.max_pixels)};
  }
  if (header.width > limits.max_side || header.height > limits.max_side) {
    return {Code::kTooManyPixels, "the image has " + SizeText(header) + "; the limit is " +
                                      std::to_string(limits.max_side) + " a side"};
  }
  if (pixels > limits.max_pixels) {
    return {Code::kTooManyPixels, "the image has " + SizeText(header) + " = " + std::to_string(pixels) +
                                      "; the limit is " + std::to_string(limits.max_pixels)};
  }
  return Status::Ok();
}

}  // namespace

int64_t EstimateDecoderBytes(const ImageHeader& header, int scale_denominator, AlphaMode alpha) {
  const FormatEntry* entry = FindFormat(header.format);
  return entry != nullptr ? entry->decoder_bytes(header, scale_denominator, alpha) : 0;
}

Status CheckFileSize(size_t encoded_bytes, const Limits& limits) {
  if (encoded_bytes == 0) return {Code::kUnsupportedFormat, "the image is empty (0 bytes)"};
  if (static_cast<int64_t>(encoded_bytes) <= limits.max_file_bytes) return Status::Ok();
  return {Code::kBodyTooLarge, "the image file has " + HumanBytes(encoded_bytes) + "; the limit is " +
                                   HumanBytes(static_cast<uint64_t>(limits.max_file_bytes))};
}

Status CheckHeader(const ImageHeader& header, int scale_denominator, AlphaMode alpha, const Limits& limits) {
  if (Status status = CheckPixels(header, limits); !status.ok()) return status;
  if (header.IsJpegCoded() && header.jpeg.multi_scan) {
    if (header.jpeg.scans > limits.max_jpeg_scans) {
      return {Code::kDecodeLimit, "the JPEG has " + std::to_string(header.jpeg.scans) +
                                      " scans; the limit is " + std::to_string(limits.max_jpeg_scans)};
    }
    if (header.jpeg.block_visits > kMaxJpegBlockVisits) {
      return {Code::kDecodeLimit, "decoding the JPEG's " + std::to_string(header.jpeg.scans) +
                                      " scans would take too long; re-save it with fewer scans or pixels"};
    }
  }
  const int64_t bytes = EstimateDecoderBytes(header, scale_denominator, alpha);
  if (bytes > limits.max_decoder_bytes) {
    return {Code::kDecodeLimit, "decoding " + SizeText(header) + " of this kind takes " +
                                    HumanBytes(static_cast<uint64_t>(bytes)) + " of memory; the limit is " +
                                    HumanBytes(static_cast<uint64_t>(limits.max_decoder_bytes))};
  }
  return Status::Ok();
}

}  // namespace photovec::decode
