// SPDX-License-Identifier: MIT
#include "decode/formats/bmp/dib.h"

#include <algorithm>
#include <bit>
#include <string>

#include "decode/byte_reader.h"
#include "decode/pixel_decoder.h"

namespace photovec::decode::bmp {
namespace {

constexpr uint32_t kBitFields = 3;
constexpr uint32_t kAlphaBitFields = 6;

Status ReadPacking(uint32_t header_bytes, uint32_t compression, Dib* dib) {
  const bool os2 = header_bytes == 64;
  if (compression == 1 && dib->bits == 8) {
    dib->packing = Packing::kRle8;
  } else if (compression == 2 && dib->bits == 4) {
    dib->packing = Packing::kRle4;
  } else if (compression != 0 && (compression != kBitFields || os2 || dib->bits < 16) &&
             (compression != kAlphaBitFields || dib->bits < 16)) {
    const char* what = compression == 4   ? (os2 ? "RLE24" : "a JPEG inside")
                       : compression == 5 ? "a PNG inside"
                                          : "an unknown compression";
    return {Code::kUnsupportedFormat, std::string("bitmaps with ") + what + " are not supported"};
  }
  return Status::Ok();
}

/// Which bits are which colour. In the header from its 52nd byte on, or behind one of 40.
void ReadMasks(uint32_t header_bytes, uint32_t compression, ByteReader* header, ByteReader* behind,
               Dib* dib) {
  if (compression != kBitFields && compression != kAlphaBitFields) {
    dib->masks = dib->bits == 16 ? std::array<uint32_t, 4>{0x7C00, 0x3E0, 0x1F, 0}
                                 : std::array<uint32_t, 4>{0xFF0000, 0xFF00, 0xFF, 0};
    return;
  }
  ByteReader* from = header_bytes >= 52 ? header : behind;
  const size_t count = header_bytes >= 56 || compression == kAlphaBitFields ? 4 : 3;
  for (size_t i = 0; i < count; ++i) dib->masks.at(i) = from->U32Le();
  // Some writers leave them all out.
  if (dib->bits == 32 && dib->masks == std::array<uint32_t, 4>{})
    dib->masks = {0xFF0000, 0xFF00, 0xFF, 0xFF000000};
}

Status ReadPalette(std::span<const uint8_t> file, uint32_t colors, size_t at, Dib* dib) {
  if (dib->bits > 8) return Status::Ok();
  const uint32_t entries = colors == 0 ? 1U << dib->bits : colors;
  if (entries > 65'536) {
    return {Code::kImageCorrupt, "the bitmap has a palette of " + std::to_string(entries) + " colours"};
  }
  const size_t bytes = static_cast<size_t>(dib->palette_bytes) * entries;
  dib->palette = file.subspan(std::min(at, file.size()));
  dib->palette = dib->palette.first(std::min(bytes, dib->palette.size()));
  if (dib->data == 0 || dib->data == at) dib->data = at + bytes;
  return Status::Ok();
}

/// A colour under a mask, stretched to a byte.
class Channel {
 public:
  explicit Channel(uint32_t mask)
      : mask_(mask), shift_(mask == 0 ? 0 : std::countr_zero(mask)), most_(mask >> shift_) {}
  uint8_t Of(uint32_t pixel) const {
    return most_ == 0 ? uint8_t{0} : static_cast<uint8_t>(uint64_t{(pixel & mask_) >> shift_} * 255 / most_);
  }

 private:
  uint32_t mask_;
  int shift_;
  uint32_t most_;
};

void IndexedPixel(const Dib& dib, size_t index, uint8_t* to) {
  const size_t at = index * static_cast<size_t>(dib.palette_bytes);
  if (at + 3 > dib.palette.size()) {
    std::fill_n(to, 3, uint8_t{0});
  } else {
    to[0] = dib.palette[at + 2];
    to[1] = dib.palette[at + 1];
    to[2] = dib.palette[at];
  }
}

void PlainRow(const Dib& dib, const uint8_t* row, AlphaMode alpha, RgbImage* out, int y) {
  uint8_t* to = out->Row(y);
  const auto width = static_cast<size_t>(out->width());
  const auto bits = static_cast<size_t>(dib.bits);
  if (bits == 24) {
    for (size_t x = 0; x < width; ++x, row += 3, to += 3) {
      to[0] = row[2];
      to[1] = row[1];
      to[2] = row[0];
    }
    return;
  }
  if (bits <= 8) {
    const size_t mask = (size_t{1} << bits) - 1;
    for (size_t x = 0; x < width; ++x, to += 3) {
      IndexedPixel(dib, row[x * bits / 8] >> (8 - bits - x * bits % 8) & mask, to);
    }
    return;
  }
  const std::array<Channel, 4> channels = {Channel(dib.masks[0]), Channel(dib.masks[1]),
                                           Channel(dib.masks[2]), Channel(dib.masks[3])};
  const bool white = alpha == AlphaMode::kWhite && dib.masks[3] != 0;
  for (size_t x = 0; x < width; ++x, row += bits / 8, to += 3) {
    uint32_t pixel = static_cast<uint32_t>(row[0]) | static_cast<uint32_t>(row[1]) << 8;
    if (bits == 32) pixel |= static_cast<uint32_t>(row[2]) << 16 | static_cast<uint32_t>(row[3]) << 24;
    for (size_t c = 0; c < 3; ++c) {
      to[c] = channels[c].Of(pixel);
      if (white) to[c] = OverWhite(to[c], channels[3].Of(pixel));
    }
  }
}

Status Truncated(const char* name, int row, int height) {
  return {Code::kImageCorrupt, std::string("the ") + name + " is truncated: its data ends at row " +
                                   std::to_string(row) + " of " + std::to_string(height)};
}

/// Run-length encoded indices. What is left out has index 0.
class RleReader {
 public:
  RleReader(std::span<const uint8_t> data, const Dib& dib, RgbImage* out)
      : reader_(data), dib_(dib), out_(*out) {}

  /// Row of the file at which data ended; the height when all is well.
  int Run() {
    Blank();
    while (y_ < out_.height()) {
      const int count = reader_.U8();
      const uint8_t what = reader_.U8();
      if (reader_.failed()) return y_;
      if (count > 0) {
        for (int i = 0; i < count; ++i)
          Put(dib_.packing == Packing::kRle8 ? what : i % 2 == 0 ? what >> 4 : what & 15);
      } else if (what == 0) {
        x_ = 0;
        ++y_;
      } else if (what == 1) {
        break;
      } else if (what == 2) {
        x_ += reader_.U8();
        y_ += reader_.U8();
      } else if (!Literal(what)) {
        return y_;
      }
    }
    return out_.height();
  }

 private:
  void Blank() {
    for (int y = 0; y < out_.height(); ++y) {
      for (int x = 0; x < out_.width(); ++x) IndexedPixel(dib_, 0, out_.Row(y) + static_cast<size_t>(x) * 3);
    }
  }
  void Put(int index) {
    if (x_ < out_.width() && y_ < out_.height()) {
      const int row = dib_.top_down ? y_ : out_.height() - 1 - y_;
      IndexedPixel(dib_, static_cast<size_t>(index), out_.Row(row) + static_cast<size_t>(x_) * 3);
    }
    ++x_;
  }
  bool Literal(int count) {
    const int bytes = dib_.packing == Packing::kRle8 ? count : (count + 1) / 2;
    const auto data = reader_.Bytes(static_cast<size_t>(bytes));
    if (reader_.failed()) return false;
    for (int i = 0; i < count; ++i) {
      const size_t at = static_cast<size_t>(i) / (dib_.packing == Packing::kRle8 ? 1 : 2);
      Put(dib_.packing == Packing::kRle8 ? data[at] : i % 2 == 0 ? data[at] >> 4 : data[at] & 15);
    }
    // Padded to two bytes; at the end of the file nobody misses it.
    if (bytes % 2 == 1 && reader_.remaining() > 0) reader_.Skip(1);
    return true;
  }

  ByteReader reader_;
  const Dib& dib_;
  RgbImage& out_;
  int x_ = 0;
  int y_ = 0;
};

}  // namespace

Result<Dib> ReadDib(std::span<const uint8_t> file, size_t at, size_t data) {
  ByteReader header(file);
  header.Skip(at);
  const uint32_t header_bytes = header.U32Le();
  Dib dib;
  dib.data = data;
  uint32_t compression = 0;
  uint32_t colors = 0;
  int64_t height = 0;
  int64_t width = 0;
  if (header_bytes == 12) {
    width = header.U16Le();
    height = header.U16Le();
    header.Skip(2);
    dib.bits = header.U16Le();
    dib.palette_bytes = 3;
  } else if (header_bytes >= 16 && header_bytes <= 124) {
    width = header.U32Le();
    height = static_cast<int32_t>(header.U32Le());
    header.Skip(2);
    dib.bits = header.U16Le();
    if (header_bytes >= 40) {
      compression = header.U32Le();
      header.Skip(12);
      colors = header.U32Le();
      header.Skip(4);
    }
  } else {
    return Status(Code::kUnsupportedFormat,
                  "bitmaps with a header of " + std::to_string(header_bytes) + " bytes are not supported");
  }
  dib.top_down = height < 0;
  if (dib.top_down) height = -height;
  if (header.failed()) return Status(Code::kImageCorrupt, "the bitmap is truncated in its header");
  if (width < 1 || height < 1 || width > INT32_MAX || height > INT32_MAX) {
    return Status(Code::kImageCorrupt, "the bitmap has an impossible size");
  }
  dib.width = static_cast<int>(width);
  dib.height = static_cast<int>(height);
  constexpr std::array<int, 7> kBits = {1, 2, 4, 8, 16, 24, 32};
  if (std::find(kBits.begin(), kBits.end(), dib.bits) == kBits.end()) {
    return Status(Code::kUnsupportedFormat,
                  "bitmaps of " + std::to_string(dib.bits) + " bits a pixel are not supported");
  }
  RETURN_IF_ERROR(ReadPacking(header_bytes, compression, &dib));
  size_t behind = at + header_bytes;
  ByteReader masks(file.subspan(std::min(behind, file.size())));
  ReadMasks(header_bytes, compression, &header, &masks, &dib);
  behind += masks.offset();
  RETURN_IF_ERROR(ReadPalette(file, colors, behind, &dib));
  if (dib.data == 0) dib.data = behind;
  return dib;
}

Status DecodeDib(std::span<const uint8_t> file, const Dib& dib, AlphaMode alpha, const char* name,
                 RgbImage* out) {
  const auto data = file.subspan(std::min(dib.data, file.size()));
  const int height = out->height();
  if (dib.packing != Packing::kPlain) {
    const int rows = RleReader(data, dib, out).Run();
    return rows == height ? Status::Ok() : Truncated(name, rows, height);
  }
  const size_t stride = RowBytes(dib.width, dib.bits);
  const size_t used = (static_cast<size_t>(dib.width) * static_cast<size_t>(dib.bits) + 7) / 8;
  for (int y = 0; y < height; ++y) {
    const size_t at = static_cast<size_t>(y) * stride;
    if (at > data.size() || used > data.size() - at) return Truncated(name, y, height);
    PlainRow(dib, data.data() + at, alpha, out, dib.top_down ? y : height - 1 - y);
  }
  return Status::Ok();
}

}  // namespace photovec::decode::bmp
