// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "testing/test_images.h"

namespace photovec::test {

/// A coded picture, taken out of the file that libheif's encoder made.
struct HeifPart {
  bool av1 = false;
  int width = 0;
  int height = 0;
  Encoded data;
  Encoded config;  ///< the body of its hvcC or av1C box
};

struct HeifOptions {
  bool av1 = false;
  int bit_depth = 8;  ///< or 10
  bool chroma_444 = false;
  int quality = 90;
};
/// 1 or 3 channels; sizes even, from 16.
HeifPart EncodeHeifPart(const Raster& raster, const HeifOptions& options = {});
/// Whether the installed libheif can encode that; Debian's can do both.
bool HaveHeifEncoder(bool av1);

/// A picture of no content, for tests that only parse.
HeifPart FakeHeifPart(int width, int height, bool av1 = false, int bit_depth = 8);

/// Puts a HEIF file together box by box, right or wrong. Items are numbered from 1.
class HeifBuilder {
 public:
  /// A coded picture with `ispe` and its configuration.
  uint32_t AddCoded(const HeifPart& part);
  /// Any item. Without `data` it gets no entry in `iloc`.
  uint32_t AddItem(std::string_view type, const Encoded& data);
  /// XMP, as a 'mime' item.
  uint32_t AddXmp(std::string_view packet);
  /// A grid of the items, row by row.
  uint32_t AddGrid(int rows, int columns, int width, int height, const std::vector<uint32_t>& tiles);
  void AddProperty(uint32_t item, std::string_view type, const Encoded& body, bool essential = false);
  /// `colr` with code points (ITU-T H.273).
  void AddColour(uint32_t item, int primaries, int transfer, int matrix, bool full_range);
  /// Images over each other on a canvas of one colour, each at (x, y).
  uint32_t AddOverlay(int width, int height, const std::vector<uint32_t>& parts,
                      const std::vector<std::pair<int, int>>& places);
  void AddSize(uint32_t item, int width, int height);
  void AddRotation(uint32_t item, int quarters) {  ///< counter-clockwise
    AddProperty(item, "irot", {static_cast<uint8_t>(quarters)});
  }
  void AddMirror(uint32_t item, int axis) { AddProperty(item, "imir", {static_cast<uint8_t>(axis)}); }
  /// A centred crop.
  void AddCrop(uint32_t item, int width, int height);
  void Refer(std::string_view type, uint32_t from, const std::vector<uint32_t>& to);
  /// `alpha` holds the transparency of `image`.
  void MakeAlpha(uint32_t alpha, uint32_t image);

  uint32_t primary = 1;
  std::vector<std::string> brands = {"heic", "mif1", "heic"};  ///< the main one first
  bool in_idat = false;                                        ///< data lies inside of `meta`
  int64_t shift = 0;                                           ///< added to each offset in `iloc`: a lie
  uint32_t claimed_items = 0;                                  ///< in `iinf`; 0: the truth

  Encoded Build() const;

 private:
  struct Item {
    std::string type;
    Encoded data;
    bool located = true;
    std::vector<uint8_t> properties;  ///< 1-based
    std::string content_type;         ///< of the type 'mime'
  };
  struct Reference {
    std::string type;
    uint32_t from;
    std::vector<uint32_t> to;
  };
  Encoded Meta(uint32_t data_offset) const;
  std::vector<Item> items_;
  std::vector<Encoded> properties_;
  std::vector<Reference> references_;
};

/// A whole file of one picture.
Encoded EncodeHeif(const Raster& raster, const HeifOptions& options = {});
Encoded HeifOf(const HeifPart& part);
std::vector<std::string> AvifBrands();
/// An image sequence without a still image: a track of one picture, and one of its transparency when `alpha`
/// is given.
Encoded HeifSequenceOf(const HeifPart& part, const HeifPart* alpha = nullptr);

}  // namespace photovec::test
