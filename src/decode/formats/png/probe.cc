// SPDX-License-Identifier: MIT
#include <algorithm>
#include <string>

#include "decode/byte_reader.h"
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

/// eXIf may stand before or after the pixels, so all chunk headers are passed.
int FindOrientation(ByteReader reader) {
  while (reader.remaining() >= 12) {
    const size_t length = reader.U32Be();
    const auto type = reader.Bytes(4);
    const auto data = reader.Bytes(length);
    reader.Skip(4);
    if (reader.failed() || HasAt(type, 0, "IEND")) return 1;
    if (HasAt(type, 0, "eXIf")) return ExifOrientation(data);
  }
  return 1;
}

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
  header.orientation = FindOrientation(reader);
  return header;
}

}  // namespace photovec::decode
