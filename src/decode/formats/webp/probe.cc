// SPDX-License-Identifier: MIT
#include <algorithm>
#include <string>

#include "decode/byte_reader.h"
#include "decode/formats/formats.h"

// Container: RFC 9649 §2; VP8 frame header: RFC 6386 §9.1; VP8L header: RFC 9649 §3.4.
namespace photovec::decode {
namespace {

struct Chunk {
  std::span<const uint8_t> type;
  std::span<const uint8_t> data;  ///< as far as it is there
  bool cut = false;
  bool Is(std::string_view name) const { return HasAt(type, 0, name); }
  bool IsImage() const { return Is("VP8 ") || Is("VP8L"); }
};

/// Chunks are padded to even sizes. False at the end.
bool NextChunk(ByteReader* reader, Chunk* chunk) {
  if (reader->remaining() < 8) return false;
  chunk->type = reader->Bytes(4);
  const size_t size = reader->U32Le();
  chunk->cut = size > reader->remaining();
  chunk->data = reader->Bytes(std::min(size, reader->remaining()));
  if (size % 2 == 1 && reader->remaining() > 0) reader->Skip(1);
  return true;
}

Status Cut() { return {Code::kImageCorrupt, "the WebP is truncated"}; }

/// Size and alpha as the bitstream itself says.
bool ReadBitstreamHeader(const Chunk& chunk, FrameRect* frame, WebpFacts* facts) {
  ByteReader reader(chunk.data);
  if (chunk.Is("VP8L")) {
    facts->lossless = true;
    const uint8_t signature = reader.U8();
    const uint32_t bits = reader.U32Le();
    frame->width = static_cast<int>(bits & 0x3FFF) + 1;
    frame->height = static_cast<int>(bits >> 14 & 0x3FFF) + 1;
    facts->has_alpha = facts->has_alpha || (bits >> 28 & 1) != 0;
    return !reader.failed() && signature == 0x2F;
  }
  const uint32_t tag = reader.U24Le();
  const uint32_t start_code = reader.U24Le();
  frame->width = reader.U16Le() & 0x3FFF;
  frame->height = reader.U16Le() & 0x3FFF;
  const bool key_frame = (tag & 1) == 0;
  return !reader.failed() && key_frame && start_code == 0x2A019D && frame->width > 0 && frame->height > 0;
}

/// The ANMF chunk of the first frame. Source: RFC 9649 §2.7.1.1.
Status ReadAnimationFrame(const Chunk& chunk, WebpFacts* facts) {
  ByteReader reader(chunk.data);
  FrameRect& frame = facts->frame;
  frame.x = static_cast<int>(reader.U24Le()) * 2;
  frame.y = static_cast<int>(reader.U24Le()) * 2;
  frame.width = static_cast<int>(reader.U24Le()) + 1;
  frame.height = static_cast<int>(reader.U24Le()) + 1;
  reader.Skip(4);  // duration, blend and dispose: the first frame starts from an empty canvas
  if (reader.failed()) return Cut();
  facts->payload = chunk.data.subspan(reader.offset());
  Chunk inner;
  while (NextChunk(&reader, &inner)) {
    if (inner.Is("ALPH")) facts->has_alpha = true;
    if (inner.cut && !inner.IsImage()) return Cut();
    if (!inner.IsImage()) continue;
    FrameRect coded;
    if (!ReadBitstreamHeader(inner, &coded, facts) || coded.width != frame.width ||
        coded.height != frame.height) {
      return {Code::kImageCorrupt, "the first frame of the WebP animation has a broken header"};
    }
    return Status::Ok();
  }
  return {Code::kImageCorrupt, "the first frame of the WebP animation has no pixels"};
}

Status CheckFrameOnCanvas(const ImageHeader& header) {
  const FrameRect& frame = header.webp.frame;
  if (static_cast<int64_t>(frame.x) + frame.width <= header.width &&
      static_cast<int64_t>(frame.y) + frame.height <= header.height &&
      (header.webp.animated || (frame.width == header.width && frame.height == header.height))) {
    return Status::Ok();
  }
  return {Code::kImageCorrupt, "the WebP's frame of " + std::to_string(frame.width) + " x " +
                                   std::to_string(frame.height) + " does not fit its canvas of " +
                                   std::to_string(header.width) + " x " + std::to_string(header.height)};
}

/// Chunks after VP8X: the first frame, and EXIF, which usually stands last.
Status ReadExtended(ByteReader* reader, ImageHeader* header) {
  bool have_frame = false;
  bool have_alpha = false;
  const std::span<const uint8_t> chunks = header->webp.payload;
  OrientationNotes notes;
  Chunk chunk;
  while (!(have_frame && notes.exif_says())) {
    const size_t at = reader->offset();
    if (!NextChunk(reader, &chunk)) break;
    const bool is_alpha = chunk.Is("ALPH");
    if (!header->webp.animated && !have_frame && (is_alpha || chunk.IsImage())) {
      if (!have_alpha) header->webp.payload = chunks.subspan(at);
      have_alpha = is_alpha;
    }
    if (chunk.Is("EXIF")) notes.AddExif(chunk.data);
    if (chunk.Is("XMP ")) notes.AddXmp(chunk.data);
    if (have_frame) continue;
    if (header->webp.animated && chunk.Is("ANMF")) {
      if (Status status = ReadAnimationFrame(chunk, &header->webp); !status.ok()) return status;
      have_frame = true;
    } else if (!header->webp.animated && chunk.IsImage()) {
      if (!ReadBitstreamHeader(chunk, &header->webp.frame, &header->webp)) {
        return chunk.cut ? Cut() : Status(Code::kImageCorrupt, "the WebP's image data has a broken header");
      }
      have_frame = true;
    }
  }
  header->orientation = notes.Value();
  if (!have_frame && chunk.cut) return Cut();
  if (!have_frame) return {Code::kImageCorrupt, "the WebP has no image data"};
  return CheckFrameOnCanvas(*header);
}

}  // namespace

Result<ImageHeader> ProbeWebp(std::span<const uint8_t> encoded) {
  // The chunks say how long they are; what the container says of all of them together may be wrong, and what
  // follows them may be anything.
  constexpr size_t kRiffHeader = 12;
  if (encoded.size() < kRiffHeader) return Cut();
  ImageHeader header;
  header.format = Format::kWebp;
  header.webp.payload = encoded.subspan(kRiffHeader);
  ByteReader reader(header.webp.payload);
  Chunk chunk;
  if (!NextChunk(&reader, &chunk)) return Cut();
  if (chunk.IsImage()) {
    if (!ReadBitstreamHeader(chunk, &header.webp.frame, &header.webp)) {
      return chunk.cut ? Cut() : Status(Code::kImageCorrupt, "the WebP's image data has a broken header");
    }
    header.width = header.webp.frame.width;
    header.height = header.webp.frame.height;
    return header;
  }
  if (!chunk.Is("VP8X")) return Status(Code::kImageCorrupt, "the WebP does not begin with an image chunk");
  ByteReader extended(chunk.data);
  const uint32_t flags = extended.U32Le();
  header.width = static_cast<int>(extended.U24Le()) + 1;
  header.height = static_cast<int>(extended.U24Le()) + 1;
  if (extended.failed()) return Cut();
  header.webp.animated = (flags & 0x02) != 0;
  header.webp.has_alpha = (flags & 0x10) != 0;
  if (Status status = ReadExtended(&reader, &header); !status.ok()) return status;
  return header;
}

}  // namespace photovec::decode
