// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "decode/formats/heif/bitstream.h"
#include "decode/formats/heif/boxes.h"

// What a HEIC or AVIF shows, taken out of its boxes: coded pictures, and how they are put together. Nothing
// but the coded pictures is left to libheif. Sources: ISO/IEC 23008-12 (HEIF) §6.5 properties, §6.6 derived
// images; ISO/IEC 14496-15 §8.3.3 (hvcC); the AV1 ISOBMFF binding §2.3 (av1C) and AVIF §2.3 (a1op, lsel).
namespace photovec::decode {

/// Pixels.
struct HeifSize {
  int64_t width = 0;
  int64_t height = 0;
  int64_t Area() const { return width * height; }
  bool operator==(const HeifSize&) const = default;
};

/// One transformation of an item's pixels.
struct HeifStep {
  enum class Kind { kCrop, kTurn, kMirror };
  Kind kind = Kind::kCrop;
  int64_t left = 0;  ///< of a crop, which keeps `size`
  int64_t top = 0;
  HeifSize size;
  int quarters = 0;       ///< of a turn, counter-clockwise
  bool sideways = false;  ///< a mirror that exchanges left and right, not top and bottom
};

inline constexpr size_t kNoHeifNode = SIZE_MAX;

/// A picture and everything below it. Borrows the file.
struct HeifNode {
  enum class Kind { kCoded, kGrid, kOverlay, kCopy };
  Kind kind = Kind::kCoded;
  uint32_t item = 0;
  HeifSize size;                 ///< of its pixels
  std::vector<HeifStep> steps;   ///< what then happens to them, in this order
  HeifSize shown;                ///< the size after that
  std::vector<size_t> children;  ///< of a derived image, indices into HeifPlan::nodes
  size_t alpha = kNoHeifNode;    ///< the picture that holds its transparency, of any size
  bool premultiplied = false;    ///< its colours are multiplied by that
  // Coded:
  bool av1 = false;
  std::span<const uint8_t> config;  ///< the body of its hvcC or av1C
  HeifPieces data;
  StreamFacts stream;
  ColourCode colour;  ///< what its colours are: as the container says, else as the stream says
  uint32_t layers =
      0;  ///< AV1: the layers to decode, as in StreamFacts; 0: those of the first operating point
  // Grid:
  size_t columns = 0;
  HeifSize tile;
  // Overlay:
  struct Offset {
    int64_t x = 0;
    int64_t y = 0;
  };
  std::vector<Offset> offsets;  ///< of each child
  std::array<uint8_t, 3> fill{};
};

struct HeifPlan {
  std::vector<HeifNode> nodes;
  size_t root = 0;
  Status alpha_status;  ///< why the transparency of the whole, if there is one, cannot be had
  int orientation = 1;  ///< that XMP asks for: of an AVIF that is turned by nothing else
  bool has_icc = false;
  std::span<const uint8_t> icc;

  const HeifNode& top() const { return nodes[root]; }
};

/// Takes memory for tables only, some 100 KB at most.
/// \param name what messages call the file: "HEIC" or "AVIF".
/// Errors: kImageCorrupt (cut or contradicting), kDecodeLimit (more items, pieces or properties than a photo
/// has), kUnsupportedFormat (what nothing here can show as it is meant).
Result<HeifPlan> ReadHeifPlan(std::span<const uint8_t> file, const std::string& name);

}  // namespace photovec::decode
