// SPDX-License-Identifier: MIT
#include "decode/color/icc_profile.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "decode/byte_reader.h"

namespace photovec::decode {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kJpegMark = "ICC_PROFILE\0"sv;
constexpr size_t kMaxChunks = 255;  // their number is one byte

/// The chunks of a JPEG's profile by their number, 1 to count.
class JpegChunks {
 public:
  /// \param segment an APP2 segment's payload behind kJpegMark.
  void Add(std::span<const uint8_t> segment) {
    found_ = true;
    if (segment.size() < 2) return Break();
    const size_t number = segment[0];
    const size_t count = segment[1];
    if (number < 1 || number > count || (count_ != 0 && count != count_)) return Break();
    count_ = count;
    if (seen_.at(number)) return Break();
    seen_.at(number) = true;
    chunks_.at(number) = segment.subspan(2);
    ++have_;
  }

  EmbeddedIcc Join(std::vector<uint8_t>* storage) const {
    EmbeddedIcc icc;
    icc.found = found_;
    if (!found_ || broken_ || have_ != count_) return icc;
    if (count_ == 1) {
      if (chunks_[1].size() <= kMaxIccBytes) icc.bytes = chunks_[1];
      return icc;
    }
    storage->clear();
    for (size_t i = 1; i <= count_; ++i) {
      if (storage->size() + chunks_.at(i).size() > kMaxIccBytes) return icc;
      storage->insert(storage->end(), chunks_.at(i).begin(), chunks_.at(i).end());
    }
    icc.bytes = *storage;
    return icc;
  }

 private:
  void Break() { broken_ = true; }

  std::array<std::span<const uint8_t>, kMaxChunks + 1> chunks_;
  std::array<bool, kMaxChunks + 1> seen_{};
  size_t count_ = 0;
  size_t have_ = 0;
  bool found_ = false;
  bool broken_ = false;
};

}  // namespace

// As formats/jpeg/probe.cc walks them: fill bytes and stray bytes between segments are passed over.
EmbeddedIcc FindJpegIcc(std::span<const uint8_t> encoded, std::vector<uint8_t>* storage) {
  constexpr uint8_t kEoi = 0xD9;
  constexpr uint8_t kSos = 0xDA;
  constexpr uint8_t kApp2 = 0xE2;
  JpegChunks chunks;
  size_t at = 2;
  while (at < encoded.size()) {
    const void* found = std::memchr(encoded.data() + at, 0xFF, encoded.size() - at);
    if (found == nullptr) break;
    at = static_cast<size_t>(static_cast<const uint8_t*>(found) - encoded.data()) + 1;
    while (at < encoded.size() && encoded[at] == 0xFF) ++at;
    if (at >= encoded.size()) break;
    const uint8_t marker = encoded[at++];
    if (marker == 0 || marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8)) continue;
    if (marker == kEoi || marker == kSos) break;
    ByteReader reader(encoded.subspan(at));
    const size_t length = std::max<size_t>(reader.U16Be(), 2);
    const auto segment = reader.Bytes(length - 2);
    if (reader.failed()) break;
    if (marker == kApp2 && HasAt(segment, 0, kJpegMark)) chunks.Add(segment.subspan(kJpegMark.size()));
    at += length;
  }
  return chunks.Join(storage);
}

EmbeddedIcc FindWebpIcc(std::span<const uint8_t> encoded) {
  constexpr uint32_t kIccFlag = 0x20;
  EmbeddedIcc icc;
  ByteReader reader(encoded);
  reader.Skip(12);
  const auto first = reader.Bytes(4);
  const size_t first_size = reader.U32Le();
  if (!HasAt(first, 0, "VP8X") || first_size < 4) return icc;
  const uint32_t flags = reader.U32Le();
  reader.Skip(first_size - 4 + first_size % 2);
  if ((flags & kIccFlag) == 0) return icc;
  while (!reader.failed() && reader.remaining() >= 8) {
    const auto type = reader.Bytes(4);
    const size_t size = reader.U32Le();
    const auto data = reader.Bytes(size);
    if (HasAt(type, 0, "ICCP")) {
      icc.found = true;
      if (!reader.failed() && size <= kMaxIccBytes) icc.bytes = data;
      return icc;
    }
    if (HasAt(type, 0, "VP8 ") || HasAt(type, 0, "VP8L") || HasAt(type, 0, "ANMF")) return icc;
    if (size % 2 == 1) reader.Skip(1);
  }
  return icc;
}

EmbeddedIcc FindIcc(std::span<const uint8_t> encoded, const ImageHeader& header,
                    std::vector<uint8_t>* storage) {
  switch (header.format) {
    case Format::kJpeg:
      return FindJpegIcc(encoded, storage);
    case Format::kPng:
      return FindPngIcc(encoded, storage);
    case Format::kWebp:
      return FindWebpIcc(encoded);
    case Format::kHeif:
    case Format::kAvif: {
      const HeifFacts& facts = header.heif;
      return {facts.has_icc, facts.icc.size() <= kMaxIccBytes ? facts.icc : std::span<const uint8_t>()};
    }
    case Format::kTiff: {
      const TiffFacts& facts = header.tiff;
      return {facts.has_icc, facts.icc.size() <= kMaxIccBytes ? facts.icc : std::span<const uint8_t>()};
    }
    case Format::kJpeg2000: {
      const Jpeg2000Facts& facts = header.jpeg2000;
      return {facts.has_icc, facts.icc.size() <= kMaxIccBytes ? facts.icc : std::span<const uint8_t>()};
    }
    case Format::kRaw:
      return FindJpegIcc(header.raw.preview, storage);
    default:
      break;
  }
  return {};
}

}  // namespace photovec::decode
