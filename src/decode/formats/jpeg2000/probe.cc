// SPDX-License-Identifier: MIT
#include <algorithm>
#include <string>

#include "decode/byte_reader.h"
#include "decode/formats/formats.h"
#include "decode/formats/heif/boxes.h"

// The boxes and the main header of a JPEG 2000. Sources: ITU-T T.800 (2019) annex A (markers SIZ, COD, COC,
// SOT), annex B (tiles, resolutions, precincts, code-blocks), annex I (boxes); T.801 annex M for JPX.
namespace photovec::decode {
namespace {

constexpr uint16_t kSoc = 0xFF4F;
constexpr uint16_t kSiz = 0xFF51;
constexpr uint16_t kCod = 0xFF52;
constexpr uint16_t kCoc = 0xFF53;
constexpr uint16_t kSot = 0xFF90;
constexpr uint16_t kSod = 0xFF93;
constexpr uint16_t kEoc = 0xFFD9;
constexpr int kMaxComponents = 4;
constexpr int kMaxBitDepth = 31;  // of OpenJPEG
constexpr int kMaxLevels = 32;
/// Longer sides the limits refuse; estimates count as if they were no longer, and stay numbers.
constexpr int64_t kMaxEstimatedSide = int64_t{1} << 20;
/// The most that a tile may be cut into. A photo of 50 MP in one tile has 40,000 code-blocks; of hostile ones
/// each takes about 300 bytes and each precinct 150.
constexpr int64_t kBlockBytes = 300;
constexpr int64_t kPrecinctBytes = 400;
constexpr int64_t kTileBytes = 8192;           // what OpenJPEG keeps of each tile from its start,
constexpr int64_t kTileComponentBytes = 2048;  // and of each component of each

Status Corrupt(const std::string& what) { return {Code::kImageCorrupt, "the JPEG 2000 " + what}; }
Status Unsupported(const std::string& what) {
  return {Code::kUnsupportedFormat, "a JPEG 2000 " + what + " is not supported"};
}

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t CeilShift(int64_t a, int shift) {
  return shift > 40 ? (a > 0 ? 1 : 0) : CeilDiv(a, int64_t{1} << shift);
}

/// How a tile is cut into pieces: the finest that any COD or COC of the file says.
struct Cutting {
  bool known = false;
  int64_t layers = 1;
  int levels = 0;
  int block_width_bits = 6;
  int block_height_bits = 6;
  int precinct_bits = 15;  ///< of the smallest
};

/// Reads one codestream.
class Codestream {
 public:
  explicit Codestream(std::span<const uint8_t> bytes) : bytes_(bytes), reader_(bytes) {}

  Status Run(ImageHeader* header) {
    if (reader_.U16Be() != kSoc || reader_.U16Be() != kSiz) return Corrupt("has an image without its size");
    RETURN_IF_ERROR(ReadSize(header));
    RETURN_IF_ERROR(ReadHeaders());
    Estimate(&header->jpeg2000);
    return Status::Ok();
  }

 private:
  Status ReadSize(ImageHeader* header) {
    const size_t length = reader_.U16Be();
    ByteReader siz(reader_.Bytes(length < 2 ? 0 : length - 2));
    siz.Skip(2);
    const int64_t x1 = siz.U32Be();
    const int64_t y1 = siz.U32Be();
    const int64_t x0 = siz.U32Be();
    const int64_t y0 = siz.U32Be();
    const int64_t tile_width = siz.U32Be();
    const int64_t tile_height = siz.U32Be();
    const int64_t tile_x0 = siz.U32Be();
    const int64_t tile_y0 = siz.U32Be();
    components_ = siz.U16Be();
    if (reader_.failed() || siz.failed()) return Corrupt("is truncated inside its header");
    if (x0 >= x1 || y0 >= y1 || tile_width == 0 || tile_height == 0 || tile_x0 > x0 || tile_y0 > y0 ||
        tile_x0 + tile_width <= x0 || tile_y0 + tile_height <= y0 || x1 - x0 > INT32_MAX ||
        y1 - y0 > INT32_MAX) {
      return Corrupt("has an image or tiles of an impossible size");
    }
    if (components_ < 1 || components_ > kMaxComponents) {
      return Unsupported("of " + std::to_string(components_) + " components");
    }
    width_ = x1 - x0;
    height_ = y1 - y0;
    tile_width_ = std::min({tile_width, width_, kMaxEstimatedSide});
    tile_height_ = std::min({tile_height, height_, kMaxEstimatedSide});
    tiles_ = CeilDiv(x1 - tile_x0, tile_width) * CeilDiv(y1 - tile_y0, tile_height);
    if (tiles_ > 65'535) return Corrupt("has more than 65,535 tiles");
    header->width = static_cast<int>(width_);
    header->height = static_cast<int>(height_);
    header->jpeg2000.components = components_;
    return ReadComponents(&siz, &header->jpeg2000);
  }

  Status ReadComponents(ByteReader* siz, Jpeg2000Facts* facts) {
    for (int i = 0; i < components_; ++i) {
      const int depth = (siz->U8() & 0x7F) + 1;
      const int dx = siz->U8();
      const int dy = siz->U8();
      if (siz->failed()) return Corrupt("is truncated inside its header");
      if (dx == 0 || dy == 0) return Corrupt("has impossible sampling factors");
      if (depth > kMaxBitDepth) return Unsupported("of " + std::to_string(depth) + " bits per sample");
      facts->bit_depth = std::max(facts->bit_depth, depth);
      facts->samples += (CeilDiv(std::min(width_, kMaxEstimatedSide), dx) + 1) *
                        (CeilDiv(std::min(height_, kMaxEstimatedSide), dy) + 1);
      tile_samples_ += (CeilDiv(tile_width_, dx) + 1) * (CeilDiv(tile_height_, dy) + 1);
    }
    return Status::Ok();
  }

  /// The main header and those of all tile-parts, whose data is passed over.
  Status ReadHeaders() {
    bool in_tile = false;
    size_t next_part = 0;
    for (;;) {
      const uint16_t marker = reader_.U16Be();
      if (reader_.failed()) return in_tile ? Status::Ok() : Corrupt("is truncated inside its header");
      if (marker == kEoc) return in_tile ? Status::Ok() : Corrupt("has no image data");
      if (marker == kSod) {
        if (next_part <= reader_.offset()) return Status::Ok();  // the last part, to the end of the file
        reader_.Skip(next_part - reader_.offset());
        continue;
      }
      const size_t at = reader_.offset() - 2;
      const size_t length = reader_.U16Be();
      ByteReader segment(reader_.Bytes(length < 2 ? 0 : length - 2));
      if (reader_.failed()) return in_tile ? Status::Ok() : Corrupt("is truncated inside its header");
      if (marker == kCod) ReadCoding(&segment, false);
      if (marker == kCoc) ReadCoding(&segment, true);
      if (marker != kSot) continue;
      if (!cutting_.known) return Corrupt("does not say how it is coded");
      in_tile = true;
      segment.Skip(2);
      const size_t part = segment.U32Be();
      next_part = part == 0 ? 0 : at + part;
    }
  }

  void ReadCoding(ByteReader* segment, bool of_component) {
    if (of_component) segment->Skip(1);  // fewer than 257 components
    const bool precincts = (segment->U8() & 1) != 0;
    if (!of_component) {
      segment->Skip(1);
      cutting_.layers = std::max<int64_t>(cutting_.layers, segment->U16Be());
      segment->Skip(1);
    }
    const int levels = std::min<int>(segment->U8(), kMaxLevels);
    const int width_bits = (segment->U8() & 15) + 2;
    const int height_bits = (segment->U8() & 15) + 2;
    segment->Skip(2);
    int precinct = 15;
    for (int i = 0; precincts && i <= levels; ++i) {
      const int sizes = segment->U8();
      precinct = std::min({precinct, sizes & 15, sizes >> 4});
    }
    if (segment->failed()) return;  // OpenJPEG refuses it
    cutting_.known = true;
    cutting_.levels = std::max(cutting_.levels, levels);
    cutting_.block_width_bits = std::min(cutting_.block_width_bits, width_bits);
    cutting_.block_height_bits = std::min(cutting_.block_height_bits, height_bits);
    cutting_.precinct_bits = std::min(cutting_.precinct_bits, precinct);
  }

  /// From above: as if every resolution of every component were cut as finely as the finest.
  void Estimate(Jpeg2000Facts* facts) const {
    int64_t blocks = 0;
    int64_t precincts = 0;
    int64_t most_precincts = 0;
    for (int level = 0; level <= cutting_.levels; ++level) {
      const int64_t width = CeilShift(tile_width_, level);
      const int64_t height = CeilShift(tile_height_, level);
      const int bits = cutting_.precinct_bits;
      const int64_t across = CeilShift(width, bits) + 1;
      const int64_t down = CeilShift(height, bits) + 1;
      precincts += across * down;
      most_precincts = std::max(most_precincts, across * down);
      blocks += (CeilShift(width, std::min(bits, cutting_.block_width_bits)) + across) *
                (CeilShift(height, std::min(bits, cutting_.block_height_bits)) + down);
    }
    const int64_t packets =
        cutting_.layers * (cutting_.levels + 1) * components_ * std::min(most_precincts, int64_t{1} << 36);
    facts->table_bytes = components_ * (blocks * kBlockBytes + precincts * kPrecinctBytes) + 2 * packets +
                         tiles_ * (kTileBytes + components_ * kTileComponentBytes);
    facts->tile_samples = tiles_ == 1 ? 0 : tile_samples_;  // of one tile they become the image's
  }

  std::span<const uint8_t> bytes_;
  ByteReader reader_;
  int components_ = 0;
  int64_t width_ = 0;
  int64_t height_ = 0;
  int64_t tile_width_ = 0;
  int64_t tile_height_ = 0;
  int64_t tiles_ = 0;
  int64_t tile_samples_ = 0;
  Cutting cutting_;
};

/// The boxes of `jp2h` that matter before decoding.
Status ReadImageBoxes(std::span<const uint8_t> jp2h, Jpeg2000Facts* facts) {
  constexpr uint32_t kCieLab = 14;
  ByteReader reader(jp2h);
  HeifBox box;
  bool coloured = false;
  while (NextBox(&reader, &box)) {
    if (box.type == FourCc("pclr")) facts->has_palette = true;
    if (box.type != FourCc("colr") || coloured || box.data.size() < 3) continue;
    coloured = box.data[0] == 1 || box.data[0] == 2;  // others OpenJPEG passes over
    facts->has_icc = box.data[0] == 2;
    if (facts->has_icc) facts->icc = box.data.subspan(3);
    ByteReader named(box.data.subspan(3));
    if (box.data[0] == 1 && named.U32Be() == kCieLab) return Unsupported("in CIELab colours");
  }
  return Status::Ok();
}

/// The codestream; the boxes before it are read on the way. Borrows the file.
Result<std::span<const uint8_t>> FindCodestream(std::span<const uint8_t> file, Jpeg2000Facts* facts) {
  if (HasAt(file, 0, "\xFF\x4F\xFF\x51")) return file;
  ByteReader reader(file);
  HeifBox box;
  while (NextBox(&reader, &box)) {
    if (box.type == FourCc("jp2h")) RETURN_IF_ERROR(ReadImageBoxes(box.data, facts));
    if (box.type == FourCc("jp2c")) return box.data;
  }
  // The last box may say that it is longer than the file; what is there is for the decoder to judge.
  if (reader.failed() && box.type == FourCc("jp2c")) return file.subspan(reader.offset());
  return reader.failed() ? Corrupt("is truncated before its image begins") : Corrupt("has no image in it");
}

}  // namespace

Result<ImageHeader> ProbeJpeg2000(std::span<const uint8_t> encoded) {
  ImageHeader header;
  header.format = Format::kJpeg2000;
  ASSIGN_OR_RETURN(const std::span<const uint8_t> stream, FindCodestream(encoded, &header.jpeg2000));
  RETURN_IF_ERROR(Codestream(stream).Run(&header));
  return header;
}

}  // namespace photovec::decode
