// SPDX-License-Identifier: MIT
#include "decode/byte_reader.h"
#include "decode/formats/heif/bit_reader.h"
#include "decode/formats/heif/bitstream.h"

namespace photovec::decode {
namespace {

/// timing_info() and decoder_model_info(). \return the length of buffer delays, 0 without a model.
unsigned ReadTiming(HeaderBits* bits) {
  bits->Skip(64);
  if (bits->Flag()) bits->Golomb();
  if (!bits->Flag()) return 0;
  const unsigned delay_bits = bits->Bits(5) + 1;
  bits->Skip(32 + 5 + 5);
  return delay_bits;
}

void ReadOperatingPoints(HeaderBits* bits, StreamFacts* facts) {
  const unsigned delay_bits = bits->Flag() ? ReadTiming(bits) : 0;
  const bool display_delays = bits->Flag();
  facts->operating_points = bits->Bits(5) + 1;
  for (uint32_t i = 0; i < facts->operating_points; ++i) {
    if (i == 0) facts->layers_at_bit = bits->position();
    facts->layers[i] = bits->Bits(12);
    if (bits->Bits(5) > 7) bits->Skip(1);
    if (delay_bits != 0 && bits->Flag()) bits->Skip(uint64_t{2} * delay_bits + 1);
    if (display_delays && bits->Flag()) bits->Skip(4);
  }
}

void SkipTools(HeaderBits* bits, bool reduced) {
  bits->Skip(3);
  if (!reduced) {
    bits->Skip(4);
    const bool order_hint = bits->Flag();
    if (order_hint) bits->Skip(2);
    const bool screen_content = bits->Flag() || bits->Flag();  // chosen by each picture, or said here
    if (screen_content && !bits->Flag()) bits->Skip(1);
    if (order_hint) bits->Skip(3);
  }
  bits->Skip(3);
}

void ReadColour(HeaderBits* bits, unsigned profile, StreamFacts* facts) {
  const bool high = bits->Flag();
  const bool twelve = profile == 2 && high && bits->Flag();
  facts->luma_bits = facts->chroma_bits = !high ? 8 : twelve ? 12 : 10;
  const bool grey = profile != 1 && bits->Flag();
  ColourCode& colour = facts->colour;
  if (bits->Flag()) {
    colour.primaries = bits->Bits(8);
    colour.transfer = bits->Bits(8);
    colour.matrix = bits->Bits(8);
  }
  if (!grey && colour.primaries == 1 && colour.transfer == 13 && colour.matrix == 0) {  // sRGB
    colour.full_range = true;
    facts->chroma = 3;
    return;
  }
  colour.full_range = bits->Flag();
  if (grey) {
    facts->chroma = 0;
  } else if (profile == 0) {
    facts->chroma = 1;
  } else if (profile == 1) {
    facts->chroma = 3;
  } else if (!twelve) {
    facts->chroma = 2;
  } else {
    const bool half_width = bits->Flag();
    facts->chroma = !half_width ? 3 : bits->Flag() ? 1 : 2;
  }
}

std::optional<StreamFacts> ReadSequenceHeader(std::span<const uint8_t> data) {
  HeaderBits bits(data);
  StreamFacts facts;
  const unsigned profile = bits.Bits(3);
  bits.Skip(1);
  const bool reduced = bits.Flag();
  if (reduced) {
    bits.Skip(5);
  } else {
    ReadOperatingPoints(&bits, &facts);
  }
  const unsigned width_bits = bits.Bits(4) + 1;
  const unsigned height_bits = bits.Bits(4) + 1;
  facts.width = static_cast<int>(bits.Bits(width_bits)) + 1;  // at most 2^16
  facts.height = static_cast<int>(bits.Bits(height_bits)) + 1;
  if (!reduced && bits.Flag()) bits.Skip(7);  // frame ids
  SkipTools(&bits, reduced);
  ReadColour(&bits, profile, &facts);
  if (bits.failed() || profile > 2) return std::nullopt;
  return facts;
}

/// leb128(): at most 8 bytes of 7 bits.
uint64_t ReadLength(ByteReader* reader) {
  uint64_t value = 0;
  for (unsigned i = 0; i < 8; ++i) {
    const uint8_t byte = reader->U8();
    value |= static_cast<uint64_t>(byte & 0x7F) << (7 * i);
    if ((byte & 0x80) == 0) break;
  }
  return value;
}

}  // namespace

std::optional<StreamFacts> ReadAv1Stream(std::span<const uint8_t> obus) {
  constexpr unsigned kSequenceHeader = 1;
  ByteReader reader(obus);
  while (reader.remaining() > 0 && !reader.failed()) {
    const uint8_t head = reader.U8();
    if ((head & 4) != 0) reader.Skip(1);
    const uint64_t length = (head & 2) != 0 ? ReadLength(&reader) : reader.remaining();
    const uint64_t begin = reader.offset();
    const auto data = reader.Bytes(static_cast<size_t>(length));
    if (reader.failed()) break;
    if ((head >> 3 & 15U) != kSequenceHeader) continue;
    std::optional<StreamFacts> facts = ReadSequenceHeader(data);
    if (facts && facts->layers_at_bit != 0) facts->layers_at_bit += 8 * begin;
    return facts;
  }
  return std::nullopt;
}

}  // namespace photovec::decode
