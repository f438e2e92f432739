// SPDX-License-Identifier: MIT
#include <array>
#include <string>

#include "decode/byte_reader.h"
#include "decode/formats/formats.h"

// Source: https://qoiformat.org/qoi-specification.pdf.
namespace photovec::decode {
namespace {

constexpr size_t kHeaderBytes = 14;

using Pixel = std::array<uint8_t, 4>;

/// One chunk after the other.
class QoiReader {
 public:
  explicit QoiReader(std::span<const uint8_t> data) : reader_(data) {}
  bool failed() const { return reader_.failed(); }

  const Pixel& Next() {
    if (run_ > 0) {
      --run_;
      return pixel_;
    }
    const uint8_t tag = reader_.U8();
    if (tag >= 0xFE) {
      for (size_t c = 0; c < (tag == 0xFF ? 4U : 3U); ++c) pixel_.at(c) = reader_.U8();
    } else {
      Short(tag);
    }
    seen_.at((pixel_[0] * 3U + pixel_[1] * 5U + pixel_[2] * 7U + pixel_[3] * 11U) % 64) = pixel_;
    return pixel_;
  }

 private:
  void Short(uint8_t tag) {
    const int low = tag & 63;
    switch (tag >> 6) {
      case 0:
        pixel_ = seen_.at(static_cast<size_t>(low));
        break;
      case 1:
        Add((low >> 4) - 2, (low >> 2 & 3) - 2, (low & 3) - 2);
        break;
      case 2: {
        const int green = low - 32;
        const uint8_t others = reader_.U8();
        Add(green + (others >> 4) - 8, green, green + (others & 15) - 8);
        break;
      }
      default:
        run_ = low;
    }
  }
  void Add(int r, int g, int b) {
    pixel_[0] = static_cast<uint8_t>(pixel_[0] + r);
    pixel_[1] = static_cast<uint8_t>(pixel_[1] + g);
    pixel_[2] = static_cast<uint8_t>(pixel_[2] + b);
  }

  ByteReader reader_;
  std::array<Pixel, 64> seen_{};
  Pixel pixel_ = {0, 0, 0, 255};
  int run_ = 0;
};

}  // namespace

Result<ImageHeader> ProbeQoi(std::span<const uint8_t> encoded) {
  ByteReader reader(encoded);
  reader.Skip(4);
  ImageHeader header;
  header.format = Format::kQoi;
  const uint32_t width = reader.U32Be();
  const uint32_t height = reader.U32Be();
  reader.Skip(2);
  if (reader.failed()) return Status(Code::kImageCorrupt, "the QOI is truncated in its header");
  if (width == 0 || height == 0 || width > INT32_MAX || height > INT32_MAX) {
    return Status(Code::kImageCorrupt, "the QOI has an impossible size");
  }
  header.width = static_cast<int>(width);
  header.height = static_cast<int>(height);
  return header;
}

Status DecodeQoi(const PixelRequest& request, CodecScratch* /*scratch*/, RgbImage* out) {
  const ImageHeader& header = *request.header;
  const bool white = request.alpha == AlphaMode::kWhite && request.encoded[12] == 4;
  out->Reset(header.width, header.height);
  QoiReader reader(request.encoded.subspan(kHeaderBytes));
  for (int y = 0; y < header.height; ++y) {
    uint8_t* to = out->Row(y);
    for (int x = 0; x < header.width; ++x, to += 3) {
      const Pixel& pixel = reader.Next();
      for (size_t c = 0; c < 3; ++c) to[c] = white ? OverWhite(pixel.at(c), pixel[3]) : pixel.at(c);
    }
    if (reader.failed()) {
      return {Code::kImageCorrupt, "the QOI is truncated: its data ends at row " + std::to_string(y) +
                                       " of " + std::to_string(header.height)};
    }
  }
  return Status::Ok();
}

}  // namespace photovec::decode
