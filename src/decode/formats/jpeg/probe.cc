// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <string_view>

#include "decode/byte_reader.h"
#include "decode/formats/formats.h"

// jpeglib.h needs FILE and size_t declared before it.
#include <cstdio>

#include <jpeglib.h>

// Markers and segments: ITU-T T.81 Annex B.
namespace photovec::decode {
namespace {

using namespace std::string_view_literals;

constexpr uint8_t kSoi = 0xD8;
constexpr uint8_t kEoi = 0xD9;
constexpr uint8_t kSos = 0xDA;
constexpr uint8_t kDht = 0xC4;
constexpr uint8_t kApp1 = 0xE1;

bool IsStandalone(uint8_t marker) { return marker == 0x01 || (marker >= 0xD0 && marker <= kSoi); }
bool IsFrameHeader(uint8_t marker) {
  return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

#define PHOTOVEC_TEXT_OF(value) #value
#define PHOTOVEC_TEXT(value) PHOTOVEC_TEXT_OF(value)
/// Why: libjpeg-turbo reads both kinds since version 3.
std::string BuiltWith() {
  return " (by libjpeg-turbo " PHOTOVEC_TEXT(LIBJPEG_TURBO_VERSION) "); convert it to baseline";
}
#undef PHOTOVEC_TEXT
#undef PHOTOVEC_TEXT_OF

struct Component {
  uint8_t id = 0;
  int h = 1;
  int v = 1;
  int64_t blocks = 0;
  bool has_dc = false;    ///< a scan had its DC coefficients
  uint64_t complete = 0;  ///< by zigzag place: scans had all its bits
};

/// Walks the markers of one file.
class Walker {
 public:
  explicit Walker(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  Result<ImageHeader> Run() {
    header_.format = Format::kJpeg;
    position_ = 2;
    for (;;) {
      const int marker = NextMarker();
      if (marker < 0 || marker == kEoi) {
        return Status(Code::kImageCorrupt, "the JPEG ends before its image data begins: it is truncated");
      }
      if (IsStandalone(static_cast<uint8_t>(marker))) continue;
      const auto segment = Segment();
      if (!segment_ok_) return Status(Code::kImageCorrupt, "the JPEG is truncated inside its header");
      if (marker == kApp1) {
        notes_.AddApp1(segment);
        header_.orientation = notes_.Value();
      } else if (IsFrameHeader(static_cast<uint8_t>(marker)) && component_count_ == 0) {
        if (Status status = ReadFrame(static_cast<uint8_t>(marker), segment); !status.ok()) return status;
      } else if (marker == kSos) {
        if (component_count_ == 0) {
          return Status(Code::kImageCorrupt, "the JPEG has image data but no frame header");
        }
        ReadScans(segment);
        return header_;
      }
    }
  }

 private:
  /// The next marker code, skipping fill bytes and whatever is no marker; -1 at the end of the file.
  int NextMarker() {
    while (position_ < bytes_.size()) {
      const void* found = std::memchr(bytes_.data() + position_, 0xFF, bytes_.size() - position_);
      if (found == nullptr) break;
      position_ = static_cast<size_t>(static_cast<const uint8_t*>(found) - bytes_.data()) + 1;
      while (position_ < bytes_.size() && bytes_[position_] == 0xFF) ++position_;
      if (position_ >= bytes_.size()) break;
      const uint8_t code = bytes_[position_++];
      if (code != 0) return code;
    }
    position_ = bytes_.size();
    return -1;
  }

  /// The payload of the segment at position_, which moves behind it. Sets segment_ok_.
  std::span<const uint8_t> Segment() {
    ByteReader reader(bytes_.subspan(position_));
    const size_t length = std::max<size_t>(reader.U16Be(), 2);  // less is nonsense that libjpeg lets pass
    segment_ok_ = !reader.failed() && length - 2 <= reader.remaining();
    if (!segment_ok_) return {};
    position_ += length;
    return reader.Bytes(length - 2);
  }

  Status ReadFrame(uint8_t marker, std::span<const uint8_t> segment) {
    // Huffman baseline, extended and progressive; arithmetic sequential and progressive.
    static constexpr std::array<uint8_t, 5> kDecodable = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA};
    if (std::find(kDecodable.begin(), kDecodable.end(), marker) == kDecodable.end()) {
      return {Code::kUnsupportedFormat, marker == 0xC3
                                            ? "a lossless JPEG is not supported" + BuiltWith()
                                            : "hierarchical and arithmetic lossless JPEG are not supported; "
                                              "convert it to baseline"};
    }
    ByteReader reader(segment);
    const int bits = reader.U8();
    header_.height = reader.U16Be();
    header_.width = reader.U16Be();
    const int count = reader.U8();
    if (reader.failed()) return {Code::kImageCorrupt, "the JPEG's frame header is too short"};
    if (bits != 8) {
      return {Code::kUnsupportedFormat, "a JPEG of " + std::to_string(bits) +
                                            " bits per sample is not supported; 8 are" +
                                            (bits == 12 ? BuiltWith() : "")};
    }
    if (count != 1 && count != 3 && count != 4) {
      return {Code::kUnsupportedFormat,
              "a JPEG of " + std::to_string(count) + " colour components is not supported; 1, 3 and 4 are"};
    }
    if (header_.width == 0 || header_.height == 0) {
      return {Code::kImageCorrupt, "the JPEG's frame header says " + std::to_string(header_.width) + " x " +
                                       std::to_string(header_.height) + " pixels"};
    }
    component_count_ = static_cast<size_t>(count);
    header_.jpeg.components = count;
    header_.jpeg.baseline = marker == 0xC0;
    header_.jpeg.progressive = marker == 0xC2 || marker == 0xCA;
    return ReadComponents(&reader);
  }

  Status ReadComponents(ByteReader* reader) {
    int h_max = 1;
    int v_max = 1;
    for (size_t i = 0; i < component_count_; ++i) {
      Component& component = components_[i];
      component.id = reader->U8();
      const int sampling = reader->U8();
      reader->Skip(1);
      component.h = sampling >> 4;
      component.v = sampling & 15;
      if (reader->failed() || component.h < 1 || component.h > 4 || component.v < 1 || component.v > 4) {
        return {Code::kImageCorrupt, "the JPEG's frame header has impossible sampling factors"};
      }
      h_max = std::max(h_max, component.h);
      v_max = std::max(v_max, component.v);
    }
    const int64_t mcus_x = (header_.width + 8 * h_max - 1) / (8 * h_max);
    const int64_t mcus_y = (header_.height + 8 * v_max - 1) / (8 * v_max);
    for (size_t i = 0; i < component_count_; ++i) {
      components_[i].blocks = mcus_x * components_[i].h * mcus_y * components_[i].v;
      header_.jpeg.coefficient_bytes += components_[i].blocks * 64 * 2;
    }
    return Status::Ok();
  }

  int64_t BlocksOfScan(std::span<const uint8_t> segment) const {
    const size_t count = segment.empty() ? 0 : segment[0];
    int64_t blocks = 0;
    for (size_t i = 0; i < count && 1 + 2 * i < segment.size(); ++i) {
      for (size_t c = 0; c < component_count_; ++c) {
        if (components_[c].id == segment[1 + 2 * i]) blocks += components_[c].blocks;
      }
    }
    return blocks;
  }

  /// Which coefficients a scan adds, and to which bit. \return whether all of them are complete then.
  bool AddToKnown(std::span<const uint8_t> segment) {
    const size_t count = segment.empty() ? 0 : segment[0];
    if (segment.size() < 4 + 2 * count) return false;
    const int first = header_.jpeg.progressive ? segment[1 + 2 * count] : 0;
    const int last = header_.jpeg.progressive ? std::min<int>(segment[2 + 2 * count], 63) : 63;
    const uint64_t band = first > last ? 0 : ~uint64_t{0} >> (63 - last) & ~uint64_t{0} << first;
    const bool complete = !header_.jpeg.progressive || (segment[3 + 2 * count] & 15) == 0;
    uint64_t all = ~uint64_t{0};
    for (size_t c = 0; c < component_count_; ++c) {
      for (size_t i = 0; i < count; ++i) {
        if (components_[c].id != segment[1 + 2 * i]) continue;
        components_[c].has_dc = components_[c].has_dc || first == 0;
        if (complete) components_[c].complete |= band;
      }
      all &= components_[c].complete;
    }
    return all == ~uint64_t{0};
  }

  /// Counts all scans when there can be more than one, until nothing is missing. One pass over the file at
  /// memchr speed.
  void ReadScans(std::span<const uint8_t> segment) {
    JpegFacts& facts = header_.jpeg;
    facts.block_visits = BlocksOfScan(segment);
    facts.multi_scan = facts.progressive || segment.empty() || segment[0] < component_count_;
    if (!facts.multi_scan) return;
    bool complete = AddToKnown(segment);
    for (bool settled = false;;) {
      const int marker = NextMarker();
      if (marker >= 0 && marker != kEoi && IsStandalone(static_cast<uint8_t>(marker))) continue;
      if (!settled) {
        facts.scans_end = marker < 0 ? bytes_.size() : position_ - (marker == kEoi ? 0 : 2);
        facts.cut = marker < 0 && !complete;
        settled = complete;
      }
      // More scans than pixels need are not decoded, but they count: no encoder writes them.
      if (marker < 0 || marker == kEoi || (complete && marker != kSos && marker != kDht)) break;
      segment = Segment();
      facts.cut = facts.cut || (!segment_ok_ && !complete);
      if (!segment_ok_) break;
      if (marker != kSos) continue;
      ++facts.scans;
      facts.block_visits += BlocksOfScan(segment);
      complete = AddToKnown(segment) || complete;
    }
    facts.all_components = std::all_of(components_.begin(), components_.begin() + component_count_,
                                       [](const Component& component) { return component.has_dc; });
  }

  std::span<const uint8_t> bytes_;
  size_t position_ = 0;
  bool segment_ok_ = true;
  ImageHeader header_;
  OrientationNotes notes_;
  std::array<Component, 4> components_;
  size_t component_count_ = 0;
};

}  // namespace

Result<ImageHeader> ProbeJpeg(std::span<const uint8_t> encoded) { return Walker(encoded).Run(); }

}  // namespace photovec::decode
