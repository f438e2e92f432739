// SPDX-License-Identifier: MIT
#include "decode/header_probe.h"

#include <optional>
#include <string_view>

#include "decode/byte_reader.h"

namespace photovec::decode {
namespace {

using namespace std::string_view_literals;

constexpr uint16_t kTagOrientation = 0x0112;
// The specification has SHORT; some programs write another integer, and Pillow takes all but BYTE (and
// floats, which are not taken here).
constexpr uint16_t kTypeShort = 3;
constexpr uint16_t kTypeLong = 4;
constexpr uint16_t kTypeSignedByte = 6;
constexpr uint16_t kTypeSignedShort = 8;
constexpr uint16_t kTypeSignedLong = 9;
constexpr uint16_t kTypeIfd = 13;

/// Reads in the byte order that the TIFF header names.
class TiffReader {
 public:
  TiffReader(std::span<const uint8_t> tiff, bool little_endian) : reader_(tiff), little_(little_endian) {}
  void Skip(size_t count) { reader_.Skip(count); }
  uint8_t U8() { return reader_.U8(); }
  uint16_t U16() { return little_ ? reader_.U16Le() : reader_.U16Be(); }
  uint32_t U32() { return little_ ? reader_.U32Le() : reader_.U32Be(); }
  bool failed() const { return reader_.failed(); }

 private:
  ByteReader reader_;
  bool little_;
};

std::optional<int> FindTag(std::span<const uint8_t> exif) {
  if (HasAt(exif, 0, "Exif\0\0"sv)) exif = exif.subspan(6);
  const bool little = HasAt(exif, 0, "II");
  if (!little && !HasAt(exif, 0, "MM")) return std::nullopt;
  TiffReader reader(exif, little);
  reader.Skip(2);
  if (reader.U16() != 42) return std::nullopt;
  const uint32_t ifd_offset = reader.U32();
  if (ifd_offset < 8) return std::nullopt;
  reader.Skip(ifd_offset - 8);
  const int entries = reader.U16();
  for (int i = 0; i < entries && !reader.failed(); ++i) {
    const uint16_t tag = reader.U16();
    const uint16_t type = reader.U16();
    const uint32_t count = reader.U32();
    if (tag != kTagOrientation) {
      reader.Skip(4);
      continue;
    }
    uint32_t value = 0;
    if (type == kTypeShort || type == kTypeSignedShort) value = reader.U16();
    if (type == kTypeLong || type == kTypeSignedLong || type == kTypeIfd) value = reader.U32();
    if (type == kTypeSignedByte) value = reader.U8();
    if (count != 1) return 1;
    return !reader.failed() && value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return std::nullopt;
}

/// Behind the name either ="6" or >6<. Source: the same two forms that Pillow looks for.
std::optional<int> FindInXmp(std::string_view xmp) {
  constexpr std::string_view kName = "tiff:Orientation";
  for (size_t at = xmp.find(kName); at != std::string_view::npos; at = xmp.find(kName, at + 1)) {
    std::string_view rest = xmp.substr(at + kName.size());
    if (rest.starts_with("=\"")) {
      rest.remove_prefix(2);
    } else if (rest.starts_with('>')) {
      rest.remove_prefix(1);
    } else {
      continue;
    }
    if (rest.empty() || rest[0] < '0' || rest[0] > '9') continue;
    return rest[0] >= '1' && rest[0] <= '8' ? rest[0] - '0' : 1;
  }
  return std::nullopt;
}

}  // namespace

void OrientationNotes::AddExif(std::span<const uint8_t> exif) {
  if (exif_seen_) return;
  exif_seen_ = true;
  exif_ = FindTag(exif);
}

void OrientationNotes::AddXmp(std::span<const uint8_t> xmp) {
  xmp_ = FindInXmp({reinterpret_cast<const char*>(xmp.data()), xmp.size()});
}

void OrientationNotes::AddApp1(std::span<const uint8_t> segment) {
  constexpr std::string_view kXmp = "http://ns.adobe.com/xap/1.0/\0"sv;
  if (HasAt(segment, 0, "Exif\0"sv)) AddExif(segment);
  if (HasAt(segment, 0, kXmp)) AddXmp(segment.subspan(kXmp.size()));
}

int ExifOrientation(std::span<const uint8_t> exif) {
  OrientationNotes notes;
  notes.AddExif(exif);
  return notes.Value();
}

}  // namespace photovec::decode
