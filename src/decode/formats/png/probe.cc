// SPDX-License-Identifier: MIT
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "decode/byte_reader.h"
#include "decode/color/inflate.h"
#include "decode/formats/formats.h"

// Chunks: PNG specification (third edition) §5.3, §11.2.2; eXIf: §11.3.4.5.
namespace photovec::decode {
namespace {

bool DepthFitsColor(int bit_depth, int color_type) {
  switch (color_type) {
    case 0:
      return bit_depth == 1 || bit_depth == 2 || bit_depth == 4 || bit_depth == 8 || bit_depth == 16;
    case 3:
      return bit_depth == 1 || bit_depth == 2 || bit_depth == 4 || bit_depth == 8;
    case 2:
    case 4:
    case 6:
      return bit_depth == 8 || bit_depth == 16;
    default:
      return false;
  }
}

/// The cICP chunk before the pixels. Source: §11.3.2.6.
std::optional<ColourCode> FindColourCode(ByteReader reader) {
  while (reader.remaining() >= 12) {
    const size_t length = reader.U32Be();
    const auto type = reader.Bytes(4);
    const auto data = reader.Bytes(length);
    reader.Skip(4);
    if (reader.failed() || HasAt(type, 0, "IDAT") || HasAt(type, 0, "IEND")) break;
    if (!HasAt(type, 0, "cICP") || length != 4 || data[2] != 0) continue;  // a matrix is for Y'CbCr
    return ColourCode{data[0], data[1], 0, data[3] != 0};
  }
  return std::nullopt;
}

/// Text longer than this is not looked at.
constexpr size_t kMaxText = size_t{1} << 20;
/// Nor are more of them: photos have one of each kind.
constexpr int kMaxTexts = 4;

/// The text of an iTXt, zTXt or tEXt chunk behind its keyword. Source: §11.3.3. Empty when it is broken or
/// too long.
std::span<const uint8_t> Text(std::span<const uint8_t> data, std::string_view type,
                              std::vector<uint8_t>* storage) {
  bool deflated = type == "zTXt";
  size_t at = deflated ? 1 : 0;
  if (type == "iTXt") {
    deflated = !data.empty() && data[0] != 0;
    at = 2;
    for (int strings = 0; strings < 2; ++strings) {  // the language, and the keyword in it
      while (at < data.size() && data[at] != 0) ++at;
      ++at;
    }
  }
  if (at > data.size()) return {};
  const auto text = data.subspan(at);
  if (!deflated) return text.first(std::min(text.size(), kMaxText));
  return InflateBounded(text, kMaxText, storage) ? std::span<const uint8_t>(*storage)
                                                 : std::span<const uint8_t>();
}

/// ImageMagick's text of an EXIF block: a blank line, the kind, the number of bytes, and these in
/// hexadecimal.
std::vector<uint8_t> FromHex(std::span<const uint8_t> text) {
  size_t at = 0;
  for (int lines = 0; lines < 3 && at < text.size(); ++at) lines += text[at] == '\n' ? 1 : 0;
  std::vector<uint8_t> bytes;
  int half = -1;
  for (; at < text.size(); ++at) {
    const int c = text[at];
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) continue;
    if (half >= 0) bytes.push_back(static_cast<uint8_t>(half << 4 | digit));
    half = half >= 0 ? -1 : digit;
  }
  return bytes;
}

/// eXIf and texts may stand before or after the pixels, so all chunk headers are passed. What eXIf says wins,
/// then the old text of the same, then XMP.
class OrientationReader {
 public:
  int Find(ByteReader reader) {
    while (reader.remaining() >= 12) {
      const size_t length = reader.U32Be();
      const auto type = reader.Bytes(4);
      const auto data = reader.Bytes(length);
      reader.Skip(4);
      if (reader.failed() || HasAt(type, 0, "IEND")) break;
      if (HasAt(type, 0, "eXIf")) {
        notes_.AddExif(data);
        if (notes_.exif_says()) break;
      }
      for (const std::string_view kind : {"iTXt", "zTXt", "tEXt"}) {
        if (HasAt(type, 0, kind)) Look(data, kind);
      }
    }
    notes_.AddExif(raw_);  // counts if there was no eXIf
    return notes_.Value();
  }

 private:
  void Look(std::span<const uint8_t> data, std::string_view type) {
    using namespace std::string_view_literals;
    constexpr std::string_view kXmp = "XML:com.adobe.xmp\0"sv;
    constexpr std::string_view kRaw = "Raw profile type exif\0"sv;
    if (!HasAt(data, 0, kXmp) && !HasAt(data, 0, kRaw)) return;
    if (++looked_at_ > kMaxTexts) return;
    std::vector<uint8_t> storage;
    if (HasAt(data, 0, kXmp)) notes_.AddXmp(Text(data.subspan(kXmp.size()), type, &storage));
    if (HasAt(data, 0, kRaw)) raw_ = FromHex(Text(data.subspan(kRaw.size()), type, &storage));
  }

  OrientationNotes notes_;
  std::vector<uint8_t> raw_;
  int looked_at_ = 0;
};

}  // namespace

Result<ImageHeader> ProbePng(std::span<const uint8_t> encoded) {
  ByteReader reader(encoded);
  reader.Skip(8);
  const uint32_t length = reader.U32Be();
  const auto type = reader.Bytes(4);
  const uint32_t width = reader.U32Be();
  const uint32_t height = reader.U32Be();
  ImageHeader header;
  header.format = Format::kPng;
  header.png.bit_depth = reader.U8();
  header.png.color_type = reader.U8();
  const int compression = reader.U8();
  const int filter = reader.U8();
  const int interlace = reader.U8();
  reader.Skip(4);
  if (reader.failed()) return Status(Code::kImageCorrupt, "the PNG is truncated inside its header");
  if (!HasAt(type, 0, "IHDR") || length != 13) {
    return Status(Code::kImageCorrupt, "the PNG does not begin with an IHDR chunk");
  }
  constexpr uint32_t kMaxPngSide = 0x7FFFFFFF;
  if (width == 0 || height == 0 || width > kMaxPngSide || height > kMaxPngSide) {
    return Status(Code::kImageCorrupt, "the PNG's header says " + std::to_string(width) + " x " +
                                           std::to_string(height) + " pixels");
  }
  if (!DepthFitsColor(header.png.bit_depth, header.png.color_type) || compression != 0 || filter != 0 ||
      interlace > 1) {
    return Status(Code::kImageCorrupt,
                  "the PNG's header names a colour type, bit depth or method that does not exist");
  }
  header.width = static_cast<int>(width);
  header.height = static_cast<int>(height);
  header.png.interlaced = interlace == 1;
  header.orientation = OrientationReader().Find(reader);
  header.colour = FindColourCode(reader);
  return header;
}

}  // namespace photovec::decode
