// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "decode/byte_reader.h"

// The tables of a HEIF file's `meta` box, read with bounds and limits. Boxes: ISO/IEC 14496-12 §8.11 and
// ISO/IEC 23008-12 §9; their meaning for an image is in probe.cc.
namespace photovec::decode {

/// As libheif's own limits since 1.19; phones write about 60 items, panoramas some hundred.
inline constexpr uint32_t kMaxHeifItems = 1000;
inline constexpr uint32_t kMaxHeifExtents = 32;           ///< pieces of one item's data
inline constexpr uint32_t kMaxHeifProperties = 4000;      ///< boxes in `ipco`
inline constexpr uint32_t kMaxHeifAssociations = 32'000;  ///< in all `ipma` boxes

/// A box type as the number that its four characters make.
constexpr uint32_t FourCc(std::string_view name) {
  uint32_t value = 0;
  for (const char c : name) value = value << 8 | static_cast<uint8_t>(c);
  return value;
}
/// For messages; '?' for what is not printable.
std::string FourCcText(uint32_t type);

struct HeifBox {
  uint32_t type = 0;
  std::span<const uint8_t> data;  ///< behind the size and the type
};
/// The next box of a sequence. False at its end, and when a box is cut (then reader->failed()).
bool NextBox(ByteReader* reader, HeifBox* box);
/// The version of a FullBox; skips its flags and gives them to `flags` when that is not null.
uint8_t ReadFullBox(ByteReader* reader, uint32_t* flags = nullptr);

/// Data that may lie in pieces; borrows the file.
using HeifPieces = std::vector<std::span<const uint8_t>>;

struct HeifItem {
  uint32_t id = 0;
  uint32_t type = 0;  ///< 'hvc1', 'av01', 'grid', 'Exif', ...
  bool is_protected = false;
  bool is_xmp = false;  ///< of the type 'mime', with the content type of XMP
  // From `iloc`:
  bool located = false;
  bool inside = false;   ///< all its data lies in the file
  bool in_item = false;  ///< as a part of another item's data, which nothing here reads
  uint64_t bytes = 0;    ///< of data
  HeifPieces pieces;     ///< its extents in their order, when inside
  /// The first extent, when inside; empty when there is none.
  std::span<const uint8_t> first() const {
    return pieces.empty() ? std::span<const uint8_t>() : pieces.front();
  }
};

/// "from" refers to "to".
struct HeifReference {
  uint32_t type = 0;
  uint32_t from = 0;
  uint32_t to = 0;
};

struct HeifAssociation {
  uint32_t item = 0;
  uint32_t property = 0;   ///< index into properties
  bool essential = false;  ///< who does not know the property must not show the item
};

/// Borrows the file.
struct HeifTables {
  uint32_t primary = 0;
  bool has_primary = false;
  std::vector<HeifItem> items;                ///< by id
  std::vector<HeifBox> properties;            ///< in file order
  std::vector<HeifAssociation> associations;  ///< by item; those of one item in file order
  std::vector<HeifReference> references;

  const HeifItem* Find(uint32_t id) const;
  std::span<const HeifAssociation> PropertiesOf(uint32_t item) const;
};

/// Reads the first `meta` box of a file. Takes memory for its tables only, at most some 100 KB.
/// \param name what messages call the file: "HEIC" or "AVIF".
/// Errors: kImageCorrupt (cut or contradicting), kDecodeLimit (more items, pieces or properties than a photo
/// has).
Result<HeifTables> ReadHeifTables(std::span<const uint8_t> file, const std::string& name);

}  // namespace photovec::decode
