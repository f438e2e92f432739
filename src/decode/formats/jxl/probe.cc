// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "decode/byte_reader.h"
#include "decode/formats/formats.h"
#include "decode/formats/heif/boxes.h"

// The image header of a JPEG XL codestream and the container around it. Sources: ISO/IEC 18181-1:2022 annex D
// (fields U32, Enum, SizeHeader, ImageMetadata), ISO/IEC 18181-2 §9 (boxes jxlc, jxlp).
namespace photovec::decode {
namespace {

/// What the fields up to the colour encoding can take: 4,096 extra channels with names would be more, and no
/// photo.
constexpr size_t kHeaderBytes = 4096;
constexpr uint32_t kMaxExtraChannels = 64;
constexpr uint32_t kGrey = 1;  // of the colour spaces; the others are kinds of extra channels
constexpr uint32_t kAlpha = 0;
constexpr uint32_t kSpotColour = 2;
constexpr uint32_t kBlack = 4;
constexpr uint32_t kCfa = 5;

/// One of four ways in which a number is written: `bits` bits, added to `offset`.
struct Choice {
  uint32_t offset;
  int bits;
};

/// Reads bits, the lowest of each byte first. Past the end come zeros, and failed() is set.
class BitReader {
 public:
  explicit BitReader(std::span<const uint8_t> bytes) : bytes_(bytes) {}
  bool failed() const { return at_ > bytes_.size() * 8; }
  uint32_t Bits(int count) {
    uint32_t value = 0;
    for (int i = 0; i < count; ++i, ++at_) {
      if (at_ / 8 < bytes_.size()) value |= (bytes_[at_ / 8] >> at_ % 8 & 1U) << i;
    }
    return value;
  }
  void Skip(size_t count) { at_ += count; }
  bool Bool() { return Bits(1) != 0; }
  uint32_t U32(const std::array<Choice, 4>& choices) {
    const Choice& chosen = choices.at(Bits(2));
    return chosen.offset + Bits(chosen.bits);
  }
  uint32_t Enum() { return U32({{{0, 0}, {1, 0}, {2, 4}, {18, 6}}}); }

 private:
  std::span<const uint8_t> bytes_;
  size_t at_ = 0;
};

struct Size {
  uint32_t width = 0;
  uint32_t height = 0;
};

uint32_t ReadSide(BitReader* bits, bool small) {
  return small ? 8 * (bits->Bits(5) + 1) : bits->U32({{{1, 9}, {1, 13}, {1, 18}, {1, 30}}});
}

/// The width that a ratio of 1 to 7 makes of a height.
uint32_t WidthOf(uint32_t height, uint32_t ratio) {
  constexpr std::array<std::array<uint32_t, 2>, 8> kRatios = {
      {{1, 1}, {1, 1}, {12, 10}, {4, 3}, {3, 2}, {16, 9}, {5, 4}, {2, 1}}};
  const auto& [times, over] = kRatios.at(ratio);
  return static_cast<uint32_t>(uint64_t{height} * times / over);
}

Size ReadSize(BitReader* bits) {
  const bool small = bits->Bool();
  const uint32_t height = ReadSide(bits, small);
  const uint32_t ratio = bits->Bits(3);
  return {ratio == 0 ? ReadSide(bits, small) : WidthOf(height, ratio), height};
}

void SkipPreview(BitReader* bits) {
  const bool small = bits->Bool();
  const auto side = [&] {
    small ? bits->U32({{{16, 0}, {32, 0}, {1, 5}, {33, 9}}})
          : bits->U32({{{1, 6}, {65, 8}, {321, 10}, {1345, 12}}});
  };
  side();
  if (bits->Bits(3) == 0) side();
}

void SkipAnimation(BitReader* bits) {
  bits->U32({{{100, 0}, {1000, 0}, {1, 10}, {1, 30}}});
  bits->U32({{{1, 0}, {1001, 0}, {1, 8}, {1, 10}}});
  bits->U32({{{0, 0}, {0, 3}, {0, 16}, {0, 32}}});
  bits->Skip(1);
}

int ReadDepth(BitReader* bits) {
  if (!bits->Bool()) return static_cast<int>(bits->U32({{{8, 0}, {10, 0}, {12, 0}, {1, 6}}}));
  const uint32_t depth = bits->U32({{{32, 0}, {16, 0}, {24, 0}, {1, 6}}});
  bits->Skip(4);
  return static_cast<int>(depth);
}

/// \return the channel's type.
uint32_t ReadExtraChannel(BitReader* bits) {
  if (bits->Bool()) return kAlpha;
  const uint32_t type = bits->Enum();
  ReadDepth(bits);
  bits->U32({{{0, 0}, {3, 0}, {4, 0}, {1, 3}}});
  bits->Skip(size_t{8} * bits->U32({{{0, 0}, {0, 4}, {16, 5}, {48, 10}}}));
  if (type == kAlpha) bits->Skip(1);
  if (type == kSpotColour) bits->Skip(4 * 16);
  if (type == kCfa) bits->U32({{{1, 0}, {0, 2}, {3, 4}, {19, 8}}});
  return type;
}

Status Corrupt(const std::string& what) { return {Code::kImageCorrupt, "the JPEG XL " + what}; }

/// The fields behind the size.
Status ReadMetadata(BitReader* bits, ImageHeader* header) {
  JxlFacts& facts = header->jxl;
  if (bits->Bool()) return Status::Ok();  // all defaults: 8 bits, XYB, no more channels
  if (bits->Bool()) {
    header->orientation = static_cast<int>(bits->Bits(3)) + 1;
    if (bits->Bool()) ReadSize(bits);  // that it would like to be shown at
    if (bits->Bool()) SkipPreview(bits);
    facts.animated = bits->Bool();
    if (facts.animated) SkipAnimation(bits);
  }
  facts.bit_depth = ReadDepth(bits);
  bits->Skip(1);
  const uint32_t extra = bits->U32({{{0, 0}, {1, 0}, {2, 4}, {1, 12}}});
  if (extra > kMaxExtraChannels) {
    return {Code::kDecodeLimit, "the JPEG XL has " + std::to_string(extra) +
                                    " extra channels; the limit is " + std::to_string(kMaxExtraChannels)};
  }
  facts.extra_channels = static_cast<int>(extra);
  for (uint32_t i = 0; i < extra; ++i) {
    const uint32_t type = ReadExtraChannel(bits);
    facts.has_alpha = facts.has_alpha || type == kAlpha;
    if (type == kBlack)
      return {Code::kUnsupportedFormat, "a JPEG XL of CMYK inks is not supported; convert it to RGB"};
  }
  facts.xyb = bits->Bool();
  if (!bits->Bool()) {  // the colours are not sRGB
    bits->Skip(1);
    facts.grey = bits->Enum() == kGrey;
  }
  return Status::Ok();
}

/// The first bytes of the codestream, which boxes may hold in parts. Borrows the file or *storage.
Result<std::span<const uint8_t>> FindCodestream(std::span<const uint8_t> file,
                                                std::vector<uint8_t>* storage) {
  if (HasAt(file, 0, "\xFF\x0A")) return file;
  ByteReader reader(file);
  HeifBox box;
  while (storage->size() < kHeaderBytes && NextBox(&reader, &box)) {
    if (box.type == FourCc("jxlc")) return box.data;
    if (box.type != FourCc("jxlp") || box.data.size() < 4) continue;
    const auto part = box.data.subspan(4, std::min(box.data.size() - 4, kHeaderBytes));
    storage->insert(storage->end(), part.begin(), part.end());
  }
  // The last box may be cut; libjxl will say where.
  if (reader.failed() && box.type == FourCc("jxlc")) return file.subspan(reader.offset());
  if (storage->empty()) {
    return reader.failed() ? Corrupt("is truncated before its image begins") : Corrupt("has no image in it");
  }
  return std::span<const uint8_t>(*storage);
}

}  // namespace

Result<ImageHeader> ProbeJxl(std::span<const uint8_t> encoded) {
  std::vector<uint8_t> storage;
  ASSIGN_OR_RETURN(const std::span<const uint8_t> stream, FindCodestream(encoded, &storage));
  if (!HasAt(stream, 0, "\xFF\x0A")) return Corrupt("has an image without its signature");
  BitReader bits(stream.subspan(2, std::min(stream.size() - 2, kHeaderBytes)));
  ImageHeader header;
  header.format = Format::kJxl;
  const Size size = ReadSize(&bits);
  RETURN_IF_ERROR(ReadMetadata(&bits, &header));
  if (bits.failed()) return Corrupt("is truncated inside its header");
  if (size.width == 0) return Corrupt("has an image of size 0");
  header.width = static_cast<int>(std::min(size.width, uint32_t{INT32_MAX}));
  header.height = static_cast<int>(size.height);
  return header;
}

}  // namespace photovec::decode
