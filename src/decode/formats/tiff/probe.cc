// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "decode/byte_reader.h"
#include "decode/formats/formats.h"

// The first directory of a TIFF or BigTIFF, read before libtiff sees the file. Sources: TIFF 6.0 §2, §8;
// https://www.awaresystems.be/imaging/tiff/bigtiff.html.
namespace photovec::decode {
namespace {

constexpr uint16_t kWidth = 256;
constexpr uint16_t kHeight = 257;
constexpr uint16_t kBits = 258;
constexpr uint16_t kCompression = 259;
constexpr uint16_t kPhotometric = 262;
constexpr uint16_t kFillOrder = 266;
constexpr uint16_t kOrientation = 274;
constexpr uint16_t kSamples = 277;
constexpr uint16_t kRowsPerStrip = 278;
constexpr uint16_t kPlanar = 284;
constexpr uint16_t kTileWidth = 322;
constexpr uint16_t kTileHeight = 323;
constexpr uint16_t kExtraSamples = 338;
constexpr uint16_t kSampleFormat = 339;
constexpr uint16_t kIcc = 34675;

/// libtiff's own bound; a photo has some 20.
constexpr uint64_t kMostEntries = 4096;
constexpr int64_t kMostTiles = 1 << 18;

struct Entry {
  uint16_t tag = 0;
  uint16_t type = 0;
  uint64_t count = 0;
  std::span<const uint8_t> value;  ///< empty when it does not lie in the file
};

/// Bytes of one value by its type; 0: no such type.
constexpr std::array<uint64_t, 19> kTypeBytes = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8};

class Directory {
 public:
  explicit Directory(std::span<const uint8_t> file) : file_(file), big_endian_(HasAt(file, 0, "MM")) {}

  Status Read() {
    const bool big = Number(2, 2) == 43;
    const uint64_t at = big ? Number(8, 8) : Number(4, 4);
    const size_t word = big ? 8 : 4;
    const size_t count_bytes = big ? 8 : 2;
    if (at < 8 || at > file_.size() - std::min(file_.size(), count_bytes)) {
      return {Code::kImageCorrupt, "the TIFF is truncated: its directory lies outside of the file"};
    }
    const uint64_t count = Number(at, count_bytes);
    const size_t entry_bytes = 4 + 2 * word;
    if (count > kMostEntries || count * entry_bytes > file_.size() - at - count_bytes) {
      return {Code::kImageCorrupt, "the TIFF's directory of " + std::to_string(count) +
                                       " entries does not lie in the file, or has more than " +
                                       std::to_string(kMostEntries)};
    }
    for (uint64_t i = 0; i < count; ++i) {
      const Entry entry = ReadEntry(at + count_bytes + i * entry_bytes, word);
      bytes_ += entry.value.size();
      entries_.push_back(entry);
    }
    // libtiff copies them. Values that share their bytes could be as many times the file as there are.
    if (bytes_ > 2 * file_.size() + 65'536) {
      return {Code::kImageCorrupt, "the values of the TIFF's directory overlap"};
    }
    return Status::Ok();
  }

  uint64_t bytes() const { return bytes_; }
  const Entry* Find(uint16_t tag) const {
    const auto found =
        std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.tag == tag; });
    return found == entries_.end() ? nullptr : &*found;
  }
  /// The first value of a tag of whole numbers; `otherwise` when it is absent or no such tag.
  uint64_t Get(uint16_t tag, uint64_t otherwise) const {
    const Entry* entry = Find(tag);
    const bool whole =
        entry != nullptr && (entry->type == 1 || entry->type == 3 || entry->type == 4 || entry->type == 16);
    if (!whole || entry->value.empty()) return otherwise;
    const auto bytes = entry->value.first(kTypeBytes.at(entry->type));
    return ToNumber(bytes);
  }
  /// All values of a tag of 16-bit numbers, at most 16.
  std::vector<uint64_t> GetShorts(uint16_t tag) const {
    std::vector<uint64_t> values;
    const Entry* entry = Find(tag);
    if (entry == nullptr || entry->type != 3) return values;
    for (size_t at = 0; at + 2 <= entry->value.size() && values.size() < 16; at += 2) {
      values.push_back(ToNumber(entry->value.subspan(at, 2)));
    }
    return values;
  }

 private:
  uint64_t ToNumber(std::span<const uint8_t> bytes) const {
    uint64_t value = 0;
    for (size_t i = 0; i < bytes.size(); ++i) {
      value = value << 8 | bytes[big_endian_ ? i : bytes.size() - 1 - i];
    }
    return value;
  }
  uint64_t Number(uint64_t at, size_t bytes) const {
    if (at > file_.size() || bytes > file_.size() - at) return 0;
    return ToNumber(file_.subspan(at, bytes));
  }
  Entry ReadEntry(uint64_t at, size_t word) const {
    Entry entry;
    entry.tag = static_cast<uint16_t>(Number(at, 2));
    entry.type = static_cast<uint16_t>(Number(at + 2, 2));
    entry.count = Number(at + 4, word);
    const uint64_t one = entry.type < kTypeBytes.size() ? kTypeBytes.at(entry.type) : 0;
    if (one == 0 || entry.count == 0 || entry.count > file_.size()) return entry;
    const uint64_t bytes = one * entry.count;
    const uint64_t where = bytes <= word ? at + 4 + word : Number(at + 4 + word, word);
    if (where <= file_.size() && bytes <= file_.size() - where) entry.value = file_.subspan(where, bytes);
    return entry;
  }

  std::span<const uint8_t> file_;
  bool big_endian_;
  uint64_t bytes_ = 0;  // of all values
  std::vector<Entry> entries_;
};

Status Unsupported(const std::string& what) {
  return {Code::kUnsupportedFormat, "TIFF images with " + what + " are not supported"};
}

/// What libtiff's codecs are called, and nullptr for those that are not used here.
const char* CompressionName(uint64_t compression, bool* used) {
  *used = true;
  switch (compression) {
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
    case 7:
    case 8:
    case 32771:
    case 32773:
    case 32946:
    case 34925:
    case 50000:
    case 50001:
      return "";
    default:
      break;
  }
  *used = false;
  switch (compression) {
    case 6:
      return "old-style JPEG";
    case 32809:
      return "ThunderScan";
    case 32908:
    case 32909:
      return "Pixar";
    case 34676:
    case 34677:
      return "SGI LogLuv";
    case 34712:
      return "JPEG 2000";
    case 34887:
      return "LERC";
    case 52546:
    case 50002:
      return "JPEG XL";
    default:
      return nullptr;
  }
}

/// How samples mean colours; the same combinations as Pillow. Empty when they are supported.
std::string FindUnsupported(const TiffFacts& tiff) {
  const std::string each = std::to_string(tiff.bits) + " bits a sample";
  const bool whole = tiff.sample_format == 1;
  switch (tiff.photometric) {
    case TiffColor::kWhiteIsZero:
    case TiffColor::kBlackIsZero: {
      if (whole && (tiff.bits == 1 || tiff.bits == 2 || tiff.bits == 4)) {
        return tiff.samples == 1 ? "" : each + " and more than grey";
      }
      if (tiff.bits == 8 && (whole || tiff.sample_format == 2)) return "";
      if (tiff.bits == 16 && (whole || tiff.sample_format == 2)) return "";
      if (tiff.bits == 32 && tiff.sample_format <= 3) return tiff.samples == 1 ? "" : each;
      return each + " of that kind";
    }
    case TiffColor::kPalette:
      if (!whole || tiff.bits > 8 || (tiff.bits < 8 && tiff.samples > 1)) return "a palette and " + each;
      return "";
    case TiffColor::kRgb:
    case TiffColor::kCmyk:
      return whole && (tiff.bits == 8 || tiff.bits == 16)
                 ? ""
                 : "colour and " + each + (whole ? "" : " of that kind");
    case TiffColor::kYcbcr:
      return whole && tiff.bits == 8 && (tiff.samples == 3 || tiff.samples == 1) ? "" : "YCbCr and " + each;
  }
  return "that kind of colour";
}

Status ReadColor(const Directory& directory, TiffFacts* tiff) {
  const uint64_t photometric = directory.Get(kPhotometric, 0);
  if (photometric == 8 || photometric == 9 || photometric == 10) return Unsupported("Lab colours");
  if (photometric == 32844 || photometric == 32845) return Unsupported("LogLuv colours");
  if (photometric == 32803 || photometric == 34892) return Unsupported("a camera's raw samples");
  if (photometric > 6 || photometric == 4) {
    return Unsupported("photometric interpretation " + std::to_string(photometric));
  }
  tiff->photometric = static_cast<TiffColor>(photometric);
  const uint64_t samples = directory.Get(kSamples, 1);
  const int colors = ColorSamples(*tiff);
  if (samples < 1 || samples > 16) return Unsupported(std::to_string(samples) + " samples a pixel");
  tiff->samples = static_cast<int>(samples);
  if (tiff->photometric == TiffColor::kYcbcr && samples == 1) tiff->photometric = TiffColor::kBlackIsZero;
  if (tiff->samples < ColorSamples(*tiff)) {
    return {Code::kImageCorrupt, "the TIFF has " + std::to_string(samples) +
                                     " samples a pixel; its colours need " + std::to_string(colors)};
  }
  const std::vector<uint64_t> bits = directory.GetShorts(kBits);
  const uint64_t each = bits.empty() ? 1 : bits.front();
  const size_t said = std::min<size_t>(bits.size(), samples);
  if (each > 64 || std::any_of(bits.begin(), bits.begin() + static_cast<ptrdiff_t>(said),
                               [&](uint64_t b) { return b != each; })) {
    return Unsupported("samples of different or too many bits");
  }
  tiff->bits = static_cast<int>(each);
  tiff->sample_format = static_cast<int>(std::min<uint64_t>(directory.Get(kSampleFormat, 1), 99));
  if (tiff->sample_format == 4) tiff->sample_format = 1;  // "undefined"
  const std::vector<uint64_t> extra = directory.GetShorts(kExtraSamples);
  if (tiff->samples > ColorSamples(*tiff)) {
    // Four samples without a word on the fourth: alpha, as everybody reads it.
    const uint64_t kind = extra.empty() ? (tiff->photometric == TiffColor::kRgb ? 2 : 0) : extra.front();
    tiff->alpha = kind == 1                  ? TiffAlpha::kAssociated
                  : kind == 2 || kind == 999 ? TiffAlpha::kUnassociated
                                             : TiffAlpha::kNone;
  }
  const std::string wrong = FindUnsupported(*tiff);
  return wrong.empty() ? Status::Ok() : Unsupported(wrong);
}

Status ReadLayout(const Directory& directory, ImageHeader* header) {
  TiffFacts& tiff = header->tiff;
  tiff.compression = static_cast<int>(std::min<uint64_t>(directory.Get(kCompression, 1), 65'536));
  bool used = false;
  const char* name = CompressionName(static_cast<uint64_t>(tiff.compression), &used);
  if (!used) {
    return Unsupported(name != nullptr ? std::string(name) + " compression"
                                       : "compression " + std::to_string(tiff.compression));
  }
  tiff.planar = directory.Get(kPlanar, 1) == 2 && tiff.samples > 1;
  tiff.reversed = directory.Get(kFillOrder, 1) == 2;
  if (directory.Find(kTileWidth) == nullptr && directory.Find(kTileHeight) == nullptr) {
    const uint64_t rows = directory.Get(kRowsPerStrip, UINT32_MAX);
    if (rows == 0) return {Code::kImageCorrupt, "the TIFF has strips without rows"};
    tiff.strip_rows = static_cast<int>(std::min<uint64_t>(rows, static_cast<uint64_t>(header->height)));
    return Status::Ok();
  }
  const uint64_t width = directory.Get(kTileWidth, 0);
  const uint64_t height = directory.Get(kTileHeight, 0);
  if (width == 0 || height == 0 || width > 65'536 || height > 65'536) {
    return {Code::kImageCorrupt,
            "the TIFF has tiles of " + std::to_string(width) + " x " + std::to_string(height) + " pixels"};
  }
  tiff.tile_width = static_cast<int>(width);
  tiff.tile_height = static_cast<int>(height);
  const int64_t across = (header->width + tiff.tile_width - 1) / tiff.tile_width;
  const int64_t down = (header->height + tiff.tile_height - 1) / tiff.tile_height;
  if (across * down > kMostTiles) {
    return {Code::kDecodeLimit, "the TIFF has " + std::to_string(across * down) + " tiles; the limit is " +
                                    std::to_string(kMostTiles)};
  }
  return Status::Ok();
}

}  // namespace

Result<ImageHeader> ProbeTiff(std::span<const uint8_t> encoded) {
  Directory directory(encoded);
  RETURN_IF_ERROR(directory.Read());
  ImageHeader header;
  header.format = Format::kTiff;
  const uint64_t width = directory.Get(kWidth, 0);
  const uint64_t height = directory.Get(kHeight, 0);
  if (width == 0 || height == 0 || width > INT32_MAX || height > INT32_MAX) {
    return Status(Code::kImageCorrupt, "the TIFF names no size, or an impossible one");
  }
  header.width = static_cast<int>(width);
  header.height = static_cast<int>(height);
  const uint64_t orientation = directory.Get(kOrientation, 1);
  header.orientation = orientation >= 1 && orientation <= 8 ? static_cast<int>(orientation) : 1;
  RETURN_IF_ERROR(ReadColor(directory, &header.tiff));
  RETURN_IF_ERROR(ReadLayout(directory, &header));
  header.tiff.directory_bytes = static_cast<int64_t>(directory.bytes());
  const Entry* icc = directory.Find(kIcc);
  if (icc != nullptr && (icc->type == 7 || icc->type == 1)) {
    header.tiff.has_icc = true;
    header.tiff.icc = icc->value;
  }
  // Of a JPEG inside, whose coefficients are then all in memory. Its data has no such bytes.
  if (header.tiff.compression == 7) {
    constexpr std::array<uint8_t, 2> kProgressive = {0xFF, 0xC2};
    header.tiff.progressive = std::search(encoded.begin(), encoded.end(), kProgressive.begin(),
                                          kProgressive.end()) != encoded.end();
  }
  return header;
}

}  // namespace photovec::decode
