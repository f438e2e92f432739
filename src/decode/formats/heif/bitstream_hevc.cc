// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <vector>

#include "decode/byte_reader.h"
#include "decode/formats/heif/bit_reader.h"
#include "decode/formats/heif/bitstream.h"

namespace photovec::decode {
namespace {

/// A NAL unit without its emulation prevention bytes. Parameter sets are some ten bytes, so what follows
/// kEnough is not looked at.
std::vector<uint8_t> Unescaped(std::span<const uint8_t> nal) {
  constexpr size_t kEnough = 4096;
  std::vector<uint8_t> out;
  unsigned zeros = 0;
  for (const uint8_t byte : nal.first(std::min(nal.size(), kEnough))) {
    if (zeros >= 2 && byte == 3) {
      zeros = 0;
      continue;
    }
    zeros = byte == 0 ? zeros + 1 : 0;
    out.push_back(byte);
  }
  return out;
}

/// profile_tier_level(1, sub_layers - 1), §7.3.3.
void SkipProfiles(HeaderBits* bits, unsigned more_layers) {
  bits->Skip(88 + 8);
  if (more_layers == 0) return;
  unsigned profiles = 0;
  unsigned levels = 0;
  for (unsigned i = 0; i < more_layers; ++i) {
    profiles += bits->Bits(1);
    levels += bits->Bits(1);
  }
  bits->Skip(uint64_t{2} * (8 - more_layers) + uint64_t{88} * profiles + uint64_t{8} * levels);
}

/// scaling_list_data(), §7.3.4.
void SkipScalingLists(HeaderBits* bits) {
  for (unsigned size = 0; size < 4; ++size) {
    for (unsigned list = 0; list < 6; list += size == 3 ? 3 : 1) {
      if (!bits->Flag()) {
        bits->Golomb();
        continue;
      }
      const unsigned count = std::min(64U, 1U << (4 + 2 * size));
      if (size > 1) bits->Golomb();
      for (unsigned i = 0; i < count && !bits->failed(); ++i) bits->Golomb();
    }
  }
}

/// The short-term reference picture sets, §7.3.7: only how many pictures each has matters here.
bool SkipPictureSets(HeaderBits* bits) {
  const uint32_t sets = bits->Golomb();
  if (sets > 64) return false;
  std::array<uint32_t, 65> pictures{};
  for (uint32_t i = 0; i < sets && !bits->failed(); ++i) {
    if (i > 0 && bits->Flag()) {
      bits->Skip(1);
      bits->Golomb();
      uint32_t count = 0;
      for (uint32_t j = 0; j <= pictures.at(i - 1); ++j) {
        const bool used = bits->Flag();
        if (used || bits->Flag()) ++count;
      }
      pictures.at(i) = count;
    } else {
      const uint32_t negative = bits->Golomb();
      const uint32_t positive = bits->Golomb();
      if (negative > 16 || positive > 16) return false;
      pictures.at(i) = negative + positive;
      for (uint32_t j = 0; j < pictures.at(i); ++j) {
        bits->Golomb();
        bits->Skip(1);
      }
    }
  }
  return !bits->failed();
}

/// The beginning of vui_parameters(), annex E.2.1.
void ReadVui(HeaderBits* bits, ColourCode* colour) {
  constexpr uint32_t kExtendedRatio = 255;
  if (bits->Flag() && bits->Bits(8) == kExtendedRatio) bits->Skip(32);
  if (bits->Flag()) bits->Skip(1);
  if (!bits->Flag()) return;
  bits->Skip(3);
  ColourCode said;
  said.full_range = bits->Flag();
  if (bits->Flag()) {
    said.primaries = bits->Bits(8);
    said.transfer = bits->Bits(8);
    said.matrix = bits->Bits(8);
  }
  if (!bits->failed()) *colour = said;
}

/// What lies between the bit depths and the VUI. \return whether it could be passed.
bool SkipToVui(HeaderBits* bits, unsigned more_layers) {
  const unsigned order_count_bits = bits->Golomb() + 4;
  const bool each_layer = bits->Flag();
  for (unsigned i = each_layer ? 0 : more_layers; i <= more_layers; ++i) {
    for (int j = 0; j < 3; ++j) bits->Golomb();
  }
  for (int i = 0; i < 6; ++i) bits->Golomb();  // sizes of blocks and transforms
  if (bits->Flag() && bits->Flag()) SkipScalingLists(bits);
  bits->Skip(2);
  if (bits->Flag()) {  // PCM
    bits->Skip(8);
    bits->Golomb();
    bits->Golomb();
    bits->Skip(1);
  }
  if (!SkipPictureSets(bits)) return false;
  if (bits->Flag()) {  // long-term pictures
    const uint32_t count = bits->Golomb();
    if (count > 32 || order_count_bits > 16) return false;
    bits->Skip(uint64_t{count} * (order_count_bits + 1));
  }
  bits->Skip(2);
  return !bits->failed();
}

std::optional<StreamFacts> ReadParameterSet(std::span<const uint8_t> nal) {
  const std::vector<uint8_t> bytes = Unescaped(nal);
  HeaderBits bits(bytes);
  bits.Skip(16 + 4);
  const unsigned more_layers = bits.Bits(3);
  bits.Skip(1);
  SkipProfiles(&bits, more_layers);
  bits.Golomb();
  StreamFacts facts;
  const uint32_t chroma = bits.Golomb();
  if (chroma == 3) bits.Skip(1);
  const uint32_t width = bits.Golomb();
  const uint32_t height = bits.Golomb();
  if (bits.Flag()) {
    for (int i = 0; i < 4; ++i) bits.Golomb();
  }
  const uint32_t luma = bits.Golomb();
  const uint32_t chroma_bits = bits.Golomb();
  if (bits.failed() || chroma > 3 || luma > 8 || chroma_bits > 8 || width > INT32_MAX || height > INT32_MAX) {
    return std::nullopt;
  }
  facts.chroma = static_cast<int>(chroma);
  facts.width = static_cast<int>(width);
  facts.height = static_cast<int>(height);
  facts.luma_bits = 8 + static_cast<int>(luma);
  facts.chroma_bits = chroma == 0 ? facts.luma_bits : 8 + static_cast<int>(chroma_bits);
  if (SkipToVui(&bits, more_layers) && bits.Flag()) ReadVui(&bits, &facts.colour);
  return facts;
}

}  // namespace

std::optional<StreamFacts> ReadHevcStream(std::span<const uint8_t> hvcc) {
  constexpr unsigned kSequenceParameters = 33;
  ByteReader reader(hvcc);
  reader.Skip(22);
  const unsigned arrays = reader.U8();
  for (unsigned i = 0; i < arrays && !reader.failed(); ++i) {
    const unsigned kind = reader.U8() & 0x3FU;
    const unsigned count = reader.U16Be();
    for (unsigned j = 0; j < count && !reader.failed(); ++j) {
      const size_t length = reader.U16Be();
      const auto nal = reader.Bytes(length);
      if (!reader.failed() && kind == kSequenceParameters) return ReadParameterSet(nal);
    }
  }
  return std::nullopt;
}

}  // namespace photovec::decode
