// SPDX-License-Identifier: MIT
#include <algorithm>
#include <string>

#include "decode/byte_reader.h"
#include "decode/formats/formats.h"

// Blocks: GIF89a specification §18 (screen), §20 (image), §23 (graphic control).
namespace photovec::decode {
namespace {

constexpr uint8_t kExtension = 0x21;
constexpr uint8_t kImage = 0x2C;
constexpr uint8_t kTrailer = 0x3B;
constexpr uint8_t kGraphicControl = 0xF9;

/// Empty when there is none.
std::span<const uint8_t> ReadColorTable(ByteReader* reader, uint8_t flags) {
  if ((flags & 0x80) == 0) return {};
  return reader->Bytes(size_t{3} << ((flags & 7) + 1));
}

void ReadExtension(ByteReader* reader, GifFacts* facts) {
  const uint8_t label = reader->U8();
  for (size_t length = reader->U8(); length != 0 && !reader->failed(); length = reader->U8()) {
    const auto data = reader->Bytes(length);
    if (label == kGraphicControl && data.size() >= 4 && (data[0] & 1) != 0)
      facts->transparent_index = data[3];
  }
}

}  // namespace

Result<ImageHeader> ProbeGif(std::span<const uint8_t> encoded) {
  ByteReader reader(encoded);
  ImageHeader header;
  header.format = Format::kGif;
  reader.Skip(6);
  header.width = reader.U16Le();
  header.height = reader.U16Le();
  const uint8_t screen_flags = reader.U8();
  reader.Skip(2);
  header.gif.palette = ReadColorTable(&reader, screen_flags);
  uint8_t block = reader.U8();
  while (block == kExtension && !reader.failed()) {
    ReadExtension(&reader, &header.gif);
    block = reader.U8();
  }
  FrameRect& frame = header.gif.frame;
  if (!reader.failed() && block == kImage) {
    frame.x = reader.U16Le();
    frame.y = reader.U16Le();
    frame.width = reader.U16Le();
    frame.height = reader.U16Le();
    const uint8_t flags = reader.U8();
    header.gif.interlaced = (flags & 0x40) != 0;
    if (const auto own = ReadColorTable(&reader, flags); !own.empty()) header.gif.palette = own;
    header.gif.data = encoded.subspan(reader.offset());
  }
  if (reader.failed()) return Status(Code::kImageCorrupt, "the GIF is truncated before its first frame");
  if (block == kTrailer) return Status(Code::kImageCorrupt, "the GIF has no frame");
  if (block != kImage) {
    return Status(Code::kImageCorrupt,
                  "the GIF has an unknown block at byte " + std::to_string(reader.offset() - 1));
  }
  if (frame.width == 0 || frame.height == 0)
    return Status(Code::kImageCorrupt, "the GIF's first frame is empty");
  // A frame that sticks out enlarges the canvas, as in Pillow.
  header.width = std::max(header.width, frame.x + frame.width);
  header.height = std::max(header.height, frame.y + frame.height);
  return header;
}

}  // namespace photovec::decode
