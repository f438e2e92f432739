// SPDX-License-Identifier: MIT
#include <spng.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>

#include "base/checksum/crc.h"
#include "decode/byte_reader.h"
#include "decode/formats/formats.h"

// Pillow parity: 8 bits and fewer match convert("RGB") bit for bit. 16-bit samples are scaled, round(v * 255
// / 65535); Pillow 9.4 takes the high byte of RGB and of alpha types, and saturates 16-bit grey at 255.
namespace photovec::decode {
namespace {

struct FreeContext {
  void operator()(spng_ctx* context) const { spng_ctx_free(context); }
};
using Context = std::unique_ptr<spng_ctx, FreeContext>;

/// Feeds libspng the signature, the critical chunks and tRNS. All other chunks (text, ICC profiles, times,
/// ...) are passed over here, so that bombs in them cost nothing. Pixel data that ends early is handed out as
/// far as it goes, and whatever follows it as the end of the file.
class ChunkFilter {
 public:
  explicit ChunkFilter(std::span<const uint8_t> encoded)
      : encoded_(encoded), parts_{encoded.first(std::min<size_t>(encoded.size(), 8)), {}, {}} {
    position_ = parts_[0].size();
  }

  int Read(uint8_t* to, size_t length) {
    while (length > 0) {
      while (part_ < parts_.size() && parts_.at(part_).empty()) ++part_;
      if (part_ == parts_.size()) {
        if (const int code = NextChunk(); code != 0) return code;
        continue;
      }
      std::span<const uint8_t>& part = parts_.at(part_);
      const size_t count = std::min(length, part.size());
      std::memcpy(to, part.data(), count);
      part = part.subspan(count);
      to += count;
      length -= count;
    }
    return 0;
  }

  /// Of a chunk of pixels that was handed out.
  bool met_bad_checksum() const { return bad_checksum_; }

  /// What spng calls. It asks for exactly `length` bytes.
  static int OnRead(spng_ctx* /*context*/, void* user, void* to, size_t length) {
    return static_cast<ChunkFilter*>(user)->Read(static_cast<uint8_t*>(to), length);
  }

 private:
  static constexpr size_t kHead = 8;  // length, type
  static constexpr size_t kCrc = 4;

  int NextChunk() {
    for (;;) {
      ByteReader reader(encoded_.subspan(position_));
      const size_t length = reader.U32Be();
      const auto type = reader.Bytes(4);
      const bool is_data = !reader.failed() && HasAt(type, 0, "IDAT");
      if (is_data) return HandOutData(length);
      const bool ancillary = !reader.failed() && (type[0] & 0x20) != 0;
      const auto data = reader.Bytes(length);
      const uint32_t crc = reader.U32Be();
      if (reader.failed() || (in_data_ && !ancillary)) return HandOutEnd();
      const size_t size = kHead + length + kCrc;
      const auto chunk = encoded_.subspan(position_, size);
      position_ += size;
      if (ancillary && !HasAt(type, 0, "tRNS")) continue;
      if (Crc32({type.data(), data.size() + type.size()}) != crc) {
        if (!ancillary) return SPNG_ECHUNK_CRC;
        continue;
      }
      return HandOut({chunk, {}, {}});
    }
  }

  int HandOut(std::array<std::span<const uint8_t>, 3> parts) {
    parts_ = parts;
    part_ = 0;
    return 0;
  }

  int HandOutData(size_t length) {
    in_data_ = true;
    const auto chunk = encoded_.subspan(position_);
    const size_t there = std::min(length, chunk.size() - kHead);
    std::copy_n(chunk.begin(), kHead, head_.begin());
    for (size_t i = 0; i < 4; ++i) head_.at(i) = static_cast<uint8_t>(there >> (24 - 8 * i));
    ByteReader behind(chunk.subspan(kHead + there));
    const uint32_t crc = behind.U32Be();
    if (!behind.failed() && Crc32(chunk.subspan(4, 4 + there)) != crc) bad_checksum_ = true;
    position_ += kHead + there + (behind.failed() ? behind.remaining() : kCrc);
    return HandOut({head_, chunk.subspan(kHead, there), kAnyCrc});
  }

  int HandOutEnd() {
    static constexpr std::array<uint8_t, 12> kEnd = {0, 0, 0, 0, 'I', 'E', 'N', 'D', 0xAE, 0x42, 0x60, 0x82};
    if (!in_data_ || ended_) return SPNG_IO_EOF;
    ended_ = true;
    return HandOut({kEnd, {}, {}});
  }

  static constexpr std::array<uint8_t, kCrc> kAnyCrc = {};  // libspng is told not to look

  std::span<const uint8_t> encoded_;
  std::array<std::span<const uint8_t>, 3> parts_;  // what is left of the current chunk
  size_t part_ = 0;
  size_t position_ = 0;  // of the next chunk
  std::array<uint8_t, kHead> head_{};
  bool in_data_ = false;
  bool ended_ = false;
  bool bad_checksum_ = false;
};

/// How rows of this PNG become RGB.
struct RowFormat {
  int color_type = 0;
  int bit_depth = 0;
  int width = 0;
  bool white = false;  ///< compose over white
  std::array<std::array<uint8_t, 4>, 256>
      palette{};         ///< RGBA by index (or by grey level, for 8 bits and fewer)
  bool has_key = false;  ///< tRNS of RGB or 16-bit grey: this colour is transparent
  std::array<uint16_t, 3> key{};
};

uint8_t Scale16(uint16_t v) { return static_cast<uint8_t>((uint32_t{v} * 255 + 32767) / 65535); }

void Store(const RowFormat& format, uint8_t r, uint8_t g, uint8_t b, uint8_t a, uint8_t* out) {
  out[0] = format.white ? OverWhite(r, a) : r;
  out[1] = format.white ? OverWhite(g, a) : g;
  out[2] = format.white ? OverWhite(b, a) : b;
}

/// Palette images and grey of 8 bits and fewer: one table look-up a pixel.
void IndexedRow(const RowFormat& format, const uint8_t* in, uint8_t* out) {
  const int depth = format.bit_depth;
  const int per_byte = 8 / depth;
  const int mask = (1 << depth) - 1;
  for (int x = 0; x < format.width; ++x, out += 3) {
    const int index = depth == 8 ? in[x] : in[x / per_byte] >> (8 - depth * (x % per_byte + 1)) & mask;
    std::memcpy(out, format.palette[static_cast<size_t>(index)].data(), 3);
  }
}

uint16_t Sample(const RowFormat& format, const uint8_t* in, size_t index) {
  if (format.bit_depth == 8) return in[index];
  uint16_t value = 0;
  std::memcpy(&value, in + 2 * index, 2);  // libspng has made it host-endian
  return value;
}

/// Every other type: 1 to 4 samples of 8 or 16 bits.
void DirectRow(const RowFormat& format, const uint8_t* in, uint8_t* out) {
  const bool color = (format.color_type & 2) != 0;
  const bool alpha = (format.color_type & 4) != 0;
  const size_t colors = color ? 3 : 1;
  const size_t samples = colors + (alpha ? 1 : 0);
  const bool wide = format.bit_depth == 16;
  for (int x = 0; x < format.width; ++x, out += 3) {
    const size_t first = static_cast<size_t>(x) * samples;
    std::array<uint16_t, 3> v{};
    for (size_t c = 0; c < 3; ++c) v[c] = Sample(format, in, first + (color ? c : 0));
    uint16_t a = wide ? 65535 : 255;
    if (alpha) a = Sample(format, in, first + colors);
    if (format.has_key && v == format.key) a = 0;
    if (wide) {
      Store(format, Scale16(v[0]), Scale16(v[1]), Scale16(v[2]), Scale16(a), out);
    } else {
      Store(format, static_cast<uint8_t>(v[0]), static_cast<uint8_t>(v[1]), static_cast<uint8_t>(v[2]),
            static_cast<uint8_t>(a), out);
    }
  }
}

void ConvertRow(const RowFormat& format, const uint8_t* in, uint8_t* out) {
  if (format.color_type == 3 || (format.color_type == 0 && format.bit_depth <= 8)) {
    IndexedRow(format, in, out);
  } else if (format.color_type == 2 && format.bit_depth == 8 && !format.has_key) {
    std::memcpy(out, in, static_cast<size_t>(format.width) * 3);
  } else {
    DirectRow(format, in, out);
  }
}

/// The palette with transparency composed in, when asked for. Indices beyond it are black, as in Pillow.
void FillPalette(const spng_plte& plte, const spng_trns& trns, RowFormat* format) {
  for (uint32_t i = 0; i < 256; ++i) {
    uint8_t rgb[3] = {};
    if (i < plte.n_entries) {
      rgb[0] = plte.entries[i].red;
      rgb[1] = plte.entries[i].green;
      rgb[2] = plte.entries[i].blue;
    }
    const uint8_t alpha = i < trns.n_type3_entries ? trns.type3_alpha[i] : 255;
    Store(*format, rgb[0], rgb[1], rgb[2], alpha, format->palette[i].data());
  }
}

void FillGreyLevels(const spng_trns& trns, bool has_trns, RowFormat* format) {
  const uint32_t levels = 1U << format->bit_depth;
  for (uint32_t i = 0; i < levels; ++i) {
    const auto grey = static_cast<uint8_t>(i * 255 / (levels - 1));
    const bool transparent = has_trns && (trns.gray & (levels - 1)) == i;
    Store(*format, grey, grey, grey, transparent ? 0 : 255, format->palette[i].data());
  }
}

Status Failure(int code, int row, int height) {
  const std::string place = " at row " + std::to_string(row) + " of " + std::to_string(height);
  switch (code) {
    case SPNG_IO_EOF:
    case SPNG_EOF:
    case SPNG_EIDAT_TOO_SHORT:
      return {Code::kImageCorrupt, "the PNG is truncated: its data ends" + place};
    case SPNG_EMEM:
    case SPNG_EOVERFLOW:
      return {Code::kDecodeLimit, "the PNG needs more memory than there is"};
    default:
      return {Code::kImageCorrupt, "the PNG's data is corrupt" + place + " (" + spng_strerror(code) + ")"};
  }
}

Status ReadColors(spng_ctx* context, const PixelRequest& request, RowFormat* format) {
  spng_plte plte{};
  spng_trns trns{};
  const int trns_code = spng_get_trns(context, &trns);  // reads everything before the pixels
  const bool has_trns = trns_code == SPNG_OK;
  if (!has_trns && trns_code != SPNG_ECHUNKAVAIL) return Failure(trns_code, 0, request.header->height);
  if (format->color_type == 3) {
    if (const int code = spng_get_plte(context, &plte); code != SPNG_OK)
      return Failure(code, 0, request.header->height);
    FillPalette(plte, trns, format);
  } else if (format->color_type == 0 && format->bit_depth <= 8) {
    FillGreyLevels(trns, has_trns, format);
  } else if (has_trns && format->white) {
    format->has_key = true;
    format->key = format->color_type == 0 ? std::array<uint16_t, 3>{trns.gray, trns.gray, trns.gray}
                                          : std::array<uint16_t, 3>{trns.red, trns.green, trns.blue};
  }
  return Status::Ok();
}

size_t EncodedRowBytes(const ImageHeader& header) {
  const size_t samples = header.png.color_type == 2   ? 3
                         : header.png.color_type == 4 ? 2
                         : header.png.color_type == 6 ? 4
                                                      : 1;
  return (static_cast<size_t>(header.width) * samples * static_cast<size_t>(header.png.bit_depth) + 7) / 8;
}

/// How far the rows came. code: SPNG_OK when all did.
struct Progress {
  int code = SPNG_OK;
  int row = 0;         ///< the first one that did not come out
  int sound_rows = 0;  ///< of all
};

/// Rows one by one, so that only one encoded row is in memory.
Progress DecodeSequential(spng_ctx* context, const RowFormat& format, size_t row_bytes, CodecScratch* scratch,
                          RgbImage* out) {
  int code = spng_decode_image(context, nullptr, 0, SPNG_FMT_PNG, SPNG_DECODE_PROGRESSIVE);
  uint8_t* row = scratch->Reserve(row_bytes);
  int y = 0;
  for (; y < out->height() && code == SPNG_OK; ++y) {
    code = spng_decode_row(context, row, row_bytes);
    if (code == SPNG_EOI && y + 1 == out->height()) code = SPNG_OK;
    if (code != SPNG_OK) break;
    ConvertRow(format, row, out->Row(y));
  }
  const int sound = y;
  if (y < out->height()) std::memset(row, 0, row_bytes);  // what Pillow has there
  for (; y < out->height(); ++y) ConvertRow(format, row, out->Row(y));
  return {code, sound, sound};
}

/// Of seven passes the last one brings the odd rows, and the one before it the odd columns of the others.
int SoundInterlacedRows(const spng_row_info& next, int height) {
  const auto row = static_cast<int>(next.row_num);
  return next.pass == 6 ? row + (height - row) / 2 : next.pass == 5 ? row / 2 : 0;
}

Progress DecodeInterlaced(spng_ctx* context, const RowFormat& format, size_t row_bytes, CodecScratch* scratch,
                          RgbImage* out) {
  const size_t size = row_bytes * static_cast<size_t>(out->height());
  uint8_t* image = scratch->Reserve(size);
  std::memset(image, 0, size);  // libspng ORs samples of fewer than 8 bits in
  Progress progress{SPNG_OK, out->height(), out->height()};
  int code = spng_decode_image(context, nullptr, 0, SPNG_FMT_PNG, SPNG_DECODE_PROGRESSIVE);
  spng_row_info next{};
  while (code == SPNG_OK) {
    code = spng_get_row_info(context, &next);
    if (code == SPNG_OK) code = spng_decode_row(context, image + next.row_num * row_bytes, row_bytes);
  }
  if (code != SPNG_EOI) {
    progress = {code, static_cast<int>(next.row_num), SoundInterlacedRows(next, out->height())};
  }
  for (int y = 0; y < out->height(); ++y)
    ConvertRow(format, image + static_cast<size_t>(y) * row_bytes, out->Row(y));
  return progress;
}

}  // namespace

Status DecodePng(const PixelRequest& request, CodecScratch* scratch, RgbImage* out) {
  const ImageHeader& header = *request.header;
  Context context(spng_ctx_new(SPNG_CTX_IGNORE_ADLER32));  // it lies behind the last row
  if (context == nullptr) return {Code::kDecodeLimit, "no memory for a PNG decoder"};
  ChunkFilter filter(request.encoded);
  int code = spng_set_png_stream(context.get(), ChunkFilter::OnRead, &filter);
  if (code == SPNG_OK) code = spng_set_crc_action(context.get(), SPNG_CRC_USE, SPNG_CRC_USE);
  if (code != SPNG_OK) return Failure(code, 0, header.height);
  spng_ihdr ihdr{};
  code = spng_get_ihdr(context.get(), &ihdr);
  if (code != SPNG_OK) return Failure(code, 0, header.height);

  RowFormat format;
  format.color_type = header.png.color_type;
  format.bit_depth = header.png.bit_depth;
  format.width = header.width;
  format.white = request.alpha == AlphaMode::kWhite;
  if (Status status = ReadColors(context.get(), request, &format); !status.ok()) return status;
  out->Reset(header.width, header.height);
  const size_t row_bytes = EncodedRowBytes(header);
  const auto decode = header.png.interlaced ? DecodeInterlaced : DecodeSequential;
  const Progress progress = decode(context.get(), format, row_bytes, scratch, out);
  // What follows the last row may be anything: nothing is missing.
  code = progress.code == SPNG_OK && filter.met_bad_checksum() ? SPNG_ECHUNK_CRC : progress.code;
  if (code == SPNG_OK) return Status::Ok();
  const Status error = Failure(code, progress.row, header.height);
  if (error.code() != Code::kImageCorrupt) return error;
  return JudgeDamage(request, progress.sound_rows, error, scratch);
}

}  // namespace photovec::decode
