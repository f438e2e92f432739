// SPDX-License-Identifier: MIT
#include "decode/formats/raw/tiff_walk.h"

#include <algorithm>
#include <array>

#include "decode/byte_reader.h"

namespace photovec::decode {
namespace {

constexpr size_t kMaxDirectories = 32;
constexpr int kMaxEntries = 1024;
constexpr uint32_t kMaxSubIfds = 16;
/// 42, Panasonic's 'U', Olympus' "OR" and "SR".
constexpr std::array<uint16_t, 4> kMagics = {42, 0x55, 0x4F52, 0x5352};

enum Tag : uint16_t {
  kJpgFromRaw = 0x002E,
  kWidth = 0x0100,
  kHeight = 0x0101,
  kCompression = 0x0103,
  kPhotometric = 0x0106,
  kStripOffsets = 0x0111,
  kOrientation = 0x0112,
  kStripBytes = 0x0117,
  kSubIfds = 0x014A,
  kJpegOffset = 0x0201,
  kJpegBytes = 0x0202,
  kDngVersion = 0xC612,
};

/// Values of one entry.
struct Entry {
  uint16_t tag = 0;
  uint16_t type = 0;
  uint32_t count = 0;
  uint32_t value = 0;   ///< the first, when it is a number that fits
  uint32_t offset = 0;  ///< the four bytes as a place in the file
};

class Walker {
 public:
  explicit Walker(std::span<const uint8_t> tiff) : tiff_(tiff), little_(HasAt(tiff, 0, "II")) {}

  std::vector<TiffDirectory> Run() {
    if (!little_ && !HasAt(tiff_, 0, "MM")) return {};
    ByteReader head(tiff_.subspan(2));
    const uint16_t magic = U16(&head);
    const uint32_t first = U32(&head);
    if (head.failed() || std::find(kMagics.begin(), kMagics.end(), magic) == kMagics.end()) return {};
    panasonic_ = magic == 0x55;
    waiting_.push_back(first);
    for (size_t i = 0; i < waiting_.size() && i < kMaxDirectories; ++i) ReadDirectory(waiting_[i]);
    return std::move(found_);
  }

 private:
  uint16_t U16(ByteReader* reader) const { return little_ ? reader->U16Le() : reader->U16Be(); }
  uint32_t U32(ByteReader* reader) const { return little_ ? reader->U32Le() : reader->U32Be(); }

  /// Each place once, so that no chain is a ring.
  void Wait(uint32_t offset) {
    if (offset == 0 || waiting_.size() >= kMaxDirectories) return;
    if (std::find(waiting_.begin(), waiting_.end(), offset) == waiting_.end()) waiting_.push_back(offset);
  }

  void ReadDirectory(uint32_t offset) {
    if (offset >= tiff_.size()) return;
    ByteReader reader(tiff_.subspan(offset));
    const int entries = U16(&reader);
    if (entries > kMaxEntries) return;
    TiffDirectory directory;
    uint32_t next = 0;
    for (int i = 0; i < entries; ++i) {
      const Entry entry = ReadEntry(&reader);
      if (reader.failed()) return;
      Take(entry, &directory);
    }
    next = U32(&reader);
    if (!reader.failed()) Wait(next);
    found_.push_back(directory);
  }

  Entry ReadEntry(ByteReader* reader) const {
    constexpr uint16_t kByte = 1;
    constexpr uint16_t kShort = 3;
    Entry entry;
    entry.tag = U16(reader);
    entry.type = U16(reader);
    entry.count = U32(reader);
    const auto four = reader->Bytes(4);
    ByteReader value(four);
    ByteReader offset(four);
    entry.value = entry.type == kByte ? value.U8() : entry.type == kShort ? U16(&value) : U32(&value);
    entry.offset = U32(&offset);
    return entry;
  }

  void Take(const Entry& entry, TiffDirectory* directory) {
    switch (entry.tag) {
      case kWidth:
        directory->width = entry.value;
        break;
      case kHeight:
        directory->height = entry.value;
        break;
      case kCompression:
        directory->compression = entry.value;
        break;
      case kPhotometric:
        directory->photometric = entry.value;
        break;
      case kOrientation:
        if (entry.value >= 1 && entry.value <= 8) directory->orientation = static_cast<int>(entry.value);
        break;
      case kStripOffsets:
        directory->strips = entry.count;
        directory->strip_offset = entry.value;
        break;
      case kStripBytes:
        directory->strip_bytes = entry.value;
        break;
      case kJpegOffset:
        directory->jpeg_offset = entry.value;
        break;
      case kJpegBytes:
        directory->jpeg_bytes = entry.value;
        break;
      case kJpgFromRaw:
        if (!panasonic_) break;
        directory->jpeg_offset = entry.offset;
        directory->jpeg_bytes = entry.count;
        break;
      case kDngVersion:
        directory->dng = true;
        break;
      case kSubIfds:
        TakeSubIfds(entry);
        break;
      default:
        break;
    }
  }

  void TakeSubIfds(const Entry& entry) {
    if (entry.count == 1) return Wait(entry.offset);
    if (entry.offset >= tiff_.size()) return;
    ByteReader list(tiff_.subspan(entry.offset));
    for (uint32_t i = 0; i < std::min(entry.count, kMaxSubIfds); ++i) {
      const uint32_t offset = U32(&list);
      if (!list.failed()) Wait(offset);
    }
  }

  std::span<const uint8_t> tiff_;
  const bool little_;
  bool panasonic_ = false;
  std::vector<uint32_t> waiting_;
  std::vector<TiffDirectory> found_;
};

}  // namespace

std::vector<TiffDirectory> WalkTiff(std::span<const uint8_t> tiff) {
  return tiff.size() < 8 ? std::vector<TiffDirectory>() : Walker(tiff).Run();
}

}  // namespace photovec::decode
