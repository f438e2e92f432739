// SPDX-License-Identifier: MIT
#include "decode/limits.h"

#include <algorithm>
#include <string>

#include "base/text/sizes.h"

namespace photovec::decode {
namespace {

int64_t Area(int width, int height) { return static_cast<int64_t>(width) * height; }

int64_t PngBytesPerPixel(const PngFacts& png) {
  const int samples = png.color_type == 2 ? 3 : png.color_type == 4 ? 2 : png.color_type == 6 ? 4 : 1;
  return (samples * png.bit_depth + 7) / 8;
}

/// What libheif 1.15 holds at its peak: the decoder's planes, their conversion to planes of RGB, those
/// interleaved, and the output. Measured over 3 and 12 MP as bytes a pixel: 6.9 (HEIC 4:2:0), 8.4
/// (4:4:4), 11.6 (10 bits), and 2.6 more with alpha; data lies there twice. A derived image adds what one
/// part takes.
int64_t HeifBytes(const ImageHeader& header, bool white) {
  const HeifFacts& heif = header.heif;
  const int64_t sample = heif.bit_depth > 8 ? 2 : 1;
  int64_t per_pixel = heif.bit_depth > 8 ? 13 : heif.subsampled ? 8 : 10;
  if (heif.has_alpha) per_pixel += 3 * sample + (white ? 1 : 0);
  const int64_t pixels = Area(header.width, header.height) + (heif.derived ? heif.largest_part_pixels : 0);
  return std::max(pixels, heif.largest_part_pixels) * per_pixel + 2 * heif.data_bytes + (int64_t{2} << 20);
}

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
  const int64_t area = Area(header.width, header.height);
  const int64_t rows = int64_t{64} * (header.width + 1024);  // row buffers and fixed tables of any codec
  const bool white = alpha == AlphaMode::kWhite;
  switch (header.format) {
    case Format::kJpeg: {
      const int64_t d = scale_denominator;
      const int64_t output =
          Area(static_cast<int>((header.width + d - 1) / d), static_cast<int>((header.height + d - 1) / d)) *
          3;
      return output + (header.jpeg.multi_scan ? header.jpeg.coefficient_bytes : 0) + rows;
    }
    case Format::kPng:
      return area * 3 + (header.png.interlaced ? area * PngBytesPerPixel(header.png) : 0) + rows;
    case Format::kWebp: {
      const int64_t frame = Area(header.webp.frame.width, header.webp.frame.height);
      const int64_t codec = header.webp.lossless ? frame * 4 : header.webp.has_alpha ? frame * 2 : 0;
      return area * 3 + codec + (white && header.webp.has_alpha ? frame * 4 : 0) + rows;
    }
    case Format::kGif:
      return area * 3 + rows;
    case Format::kHeif:
    case Format::kAvif:
      return HeifBytes(header, white);
    case Format::kUnknown:
      break;
  }
  return 0;
}

Status CheckFileSize(size_t encoded_bytes, const Limits& limits) {
  if (encoded_bytes == 0) return {Code::kUnsupportedFormat, "the image is empty (0 bytes)"};
  if (static_cast<int64_t>(encoded_bytes) <= limits.max_file_bytes) return Status::Ok();
  return {Code::kBodyTooLarge, "the image file has " + HumanBytes(encoded_bytes) + "; the limit is " +
                                   HumanBytes(static_cast<uint64_t>(limits.max_file_bytes))};
}

Status CheckHeader(const ImageHeader& header, int scale_denominator, AlphaMode alpha, const Limits& limits) {
  if (Status status = CheckPixels(header, limits); !status.ok()) return status;
  if (header.format == Format::kJpeg && header.jpeg.multi_scan) {
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
