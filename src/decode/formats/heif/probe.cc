// SPDX-License-Identifier: MIT
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "decode/formats/formats.h"
#include "decode/formats/heif/boxes.h"

// What the primary image is made of, and that all of it is there. Sources: ISO/IEC 23008-12 (HEIF) §6.5
// properties, §6.6 derived images; ISO/IEC 14496-15 §8.3.3 (hvcC); the AV1 ISOBMFF binding §2.3 (av1C).
namespace photovec::decode {
namespace {

/// A photo of photos of photos: phones write one level (a grid), and nobody more than two.
constexpr int kMaxDerivations = 3;

/// Pixels, as `ispe` says or as a grid says of itself, then as its own transformations leave them.
struct Size {
  int64_t width = 0;
  int64_t height = 0;
  int64_t Area() const { return width * height; }
  bool operator==(const Size&) const = default;
};

class Probe {
 public:
  Probe(const HeifTables& tables, std::string name) : tables_(tables), name_(std::move(name)) {}

  Status Run(ImageHeader* header) {
    if (!tables_.has_primary) return Corrupt("does not say which image is its primary one");
    facts_ = &header->heif;
    facts_->subsampled = true;
    ASSIGN_OR_RETURN(const Size shown, Item(tables_.primary, 0));
    RETURN_IF_ERROR(Alpha(shown));
    FindIcc();
    header->width = static_cast<int>(shown.width);
    header->height = static_cast<int>(shown.height);
    return Status::Ok();
  }

 private:
  Status Corrupt(const std::string& what) const { return {Code::kImageCorrupt, "the " + name_ + " " + what}; }
  Status Unsupported(const std::string& what) const {
    return {Code::kUnsupportedFormat, "the " + name_ + " " + what};
  }

  /// An item with everything below it. \return its size after its own transformations.
  Result<Size> Item(uint32_t id, int depth) {
    const HeifItem* item = tables_.Find(id);
    if (item == nullptr) {
      return depth == 0 ? Corrupt("names a primary image that it does not have")
                        : Corrupt("misses a part of its image (item " + std::to_string(id) + ")");
    }
    if (item->is_protected) return Unsupported("is encrypted");
    if (++visited_ > kMaxHeifItems) {
      return Status(Code::kDecodeLimit,
                    "the " + name_ + " is made of more than " + std::to_string(kMaxHeifItems) + " pictures");
    }
    Size size;
    if (item->type == FourCc("hvc1") || item->type == FourCc("av01")) {
      ASSIGN_OR_RETURN(size, Coded(*item));
    } else if (item->type == FourCc("grid")) {
      ASSIGN_OR_RETURN(size, Grid(*item, depth));
    } else if (item->type == FourCc("iden") || item->type == FourCc("iovl")) {
      ASSIGN_OR_RETURN(size, Composition(*item, depth));
    } else {
      return Unsupported("holds an image of the kind '" + FourCcText(item->type) +
                         "'; only HEVC and AV1 are decoded");
    }
    return Transformed(id, size);
  }

  /// The box of that type among the item's properties; null when there is none.
  const HeifBox* Property(uint32_t item, std::string_view type) const {
    for (const HeifAssociation& association : tables_.PropertiesOf(item)) {
      if (association.property >= tables_.properties.size()) continue;
      const HeifBox& box = tables_.properties[association.property];
      if (box.type == FourCc(type)) return &box;
    }
    return nullptr;
  }

  /// `colr` may be there twice: once with code points (which libheif heeds), once with a profile.
  void FindIcc() {
    for (const HeifAssociation& association : tables_.PropertiesOf(tables_.primary)) {
      if (association.property >= tables_.properties.size()) continue;
      const HeifBox& box = tables_.properties[association.property];
      if (box.type != FourCc("colr") || (!HasAt(box.data, 0, "prof") && !HasAt(box.data, 0, "rICC")))
        continue;
      facts_->has_icc = true;
      facts_->icc = box.data.subspan(4);
    }
  }

  Result<Size> StatedSize(uint32_t item) const {
    const HeifBox* box = Property(item, "ispe");
    if (box == nullptr) return Corrupt("does not say how large its image is");
    ByteReader reader(box->data);
    ReadFullBox(&reader);
    const int64_t width = reader.U32Be();
    const int64_t height = reader.U32Be();
    return Checked({width, height}, reader);
  }

  Result<Size> Checked(const Size& size, const ByteReader& reader) const {
    if (reader.failed() || size.width == 0 || size.height == 0) return Corrupt("has an image of size 0");
    if (size.width > INT32_MAX || size.height > INT32_MAX) return Corrupt("has an image of impossible size");
    return size;
  }

  Status HasData(const HeifItem& item, const char* what) const {
    if (!item.located) return Corrupt(std::string("does not say where the data of ") + what + " is");
    if (!item.inside) {
      return Corrupt(std::string("is truncated: the data of ") + what + " lies outside of the file");
    }
    return item.bytes == 0 ? Corrupt(std::string("has no data of ") + what) : Status::Ok();
  }

  Result<Size> Coded(const HeifItem& item) {
    const std::string what =
        item.id == tables_.primary ? "the image" : "the image's part " + std::to_string(item.id);
    RETURN_IF_ERROR(HasData(item, what.c_str()));
    ASSIGN_OR_RETURN(const Size size, StatedSize(item.id));
    RETURN_IF_ERROR(item.type == FourCc("av01") ? Av1(item.id) : Hevc(item.id));
    facts_->largest_part_pixels = std::max(facts_->largest_part_pixels, Saturated(size));
    facts_->parts_pixels += Saturated(size);
    facts_->data_bytes += static_cast<int64_t>(item.bytes);
    return size;
  }

  /// At most 2^40, so that sums of a thousand stay numbers; the limit on pixels refuses both.
  static int64_t Saturated(const Size& size) {
    constexpr int64_t kMuch = int64_t{1} << 40;
    return size.width > kMuch / size.height ? kMuch : size.Area();
  }

  Status Hevc(uint32_t item) {
    facts_->hevc = true;
    const HeifBox* box = Property(item, "hvcC");
    if (box == nullptr) return Corrupt("has an HEVC image without its parameters (hvcC)");
    ByteReader reader(box->data);
    reader.Skip(16);
    const int chroma = reader.U8() & 3;  // 0 grey, 1 4:2:0, 2 4:2:2, 3 4:4:4
    const int luma_bits = 8 + (reader.U8() & 7);
    const int chroma_bits = 8 + (reader.U8() & 7);
    if (reader.failed()) return Corrupt("has a cut HEVC parameter box (hvcC)");
    NoteSamples(std::max(luma_bits, chroma_bits), chroma != 3);
    return Status::Ok();
  }

  Status Av1(uint32_t item) {
    facts_->av1 = true;
    const HeifBox* box = Property(item, "av1C");
    if (box == nullptr) return Corrupt("has an AV1 image without its parameters (av1C)");
    ByteReader reader(box->data);
    reader.Skip(2);
    const int bits = reader.U8();
    if (reader.failed()) return Corrupt("has a cut AV1 parameter box (av1C)");
    const bool high = (bits & 0x40) != 0;
    const bool twelve = (bits & 0x20) != 0;
    const bool grey_or_half = (bits & 0x18) != 0;  // monochrome, or chroma of half the width
    NoteSamples(!high ? 8 : twelve ? 12 : 10, grey_or_half);
    return Status::Ok();
  }

  void NoteSamples(int bits, bool subsampled) {
    facts_->bit_depth = std::max(facts_->bit_depth, bits);
    facts_->subsampled = facts_->subsampled && subsampled;
  }

  std::vector<uint32_t> Parts(uint32_t item) const {
    std::vector<uint32_t> parts;
    for (const HeifReference& reference : tables_.references) {
      if (reference.type == FourCc("dimg") && reference.from == item) parts.push_back(reference.to);
    }
    return parts;
  }

  /// HEIF §6.6.2.3.2.
  Result<Size> Grid(const HeifItem& item, int depth) {
    facts_->derived = true;
    RETURN_IF_ERROR(HasData(item, "the grid"));
    ByteReader reader(item.first);
    reader.Skip(1);
    const bool wide = (reader.U8() & 1) != 0;
    const size_t rows = size_t{1} + reader.U8();
    const size_t columns = size_t{1} + reader.U8();
    const int64_t width = wide ? reader.U32Be() : reader.U16Be();
    const int64_t height = wide ? reader.U32Be() : reader.U16Be();
    ASSIGN_OR_RETURN(const Size size, Checked({width, height}, reader));
    const std::vector<uint32_t> tiles = Parts(item.id);
    if (tiles.size() != rows * columns) {
      return Corrupt("is a grid of " + std::to_string(rows) + " x " + std::to_string(columns) +
                     " tiles and has " + std::to_string(tiles.size()));
    }
    if (depth + 1 >= kMaxDerivations) return Unsupported("is nested too deeply");
    Size first;
    for (const uint32_t tile : tiles) {
      ASSIGN_OR_RETURN(const Size one, Item(tile, depth + 1));
      if (tile == tiles.front()) first = one;
      if (one != first) return Corrupt("is a grid of tiles of different sizes");
    }
    if (first.width * static_cast<int64_t>(columns) < size.width ||
        first.height * static_cast<int64_t>(rows) < size.height) {
      return Corrupt("is a grid whose tiles do not cover it");
    }
    return size;
  }

  /// A copy of another image, or images laid over each other.
  Result<Size> Composition(const HeifItem& item, int depth) {
    facts_->derived = true;
    const bool copy = item.type == FourCc("iden");
    if (!copy) RETURN_IF_ERROR(HasData(item, "the overlay"));
    const std::vector<uint32_t> parts = Parts(item.id);
    if (parts.empty() || (copy && parts.size() != 1)) return Corrupt("misses the image that it shows");
    if (depth + 1 >= kMaxDerivations) return Unsupported("is nested too deeply");
    Size size;
    for (const uint32_t part : parts) {
      ASSIGN_OR_RETURN(size, Item(part, depth + 1));
    }
    return copy && Property(item.id, "ispe") == nullptr ? size : StatedSize(item.id);
  }

  /// `irot` turns, `imir` mirrors, `clap` crops, in the order in which the item lists them. Where exactly a
  /// crop cuts, libheif decides; the size before it is the bound.
  Size Transformed(uint32_t item, Size size) {
    for (const HeifAssociation& association : tables_.PropertiesOf(item)) {
      if (association.property >= tables_.properties.size()) continue;
      const HeifBox& box = tables_.properties[association.property];
      const bool quarter = box.type == FourCc("irot") && !box.data.empty() && (box.data[0] & 1) != 0;
      if (quarter) std::swap(size.width, size.height);
      if (box.type == FourCc("clap")) facts_->cropped = true;
      if (box.type == FourCc("irot") || box.type == FourCc("imir")) facts_->turned = true;
    }
    return size;
  }

  bool IsAlphaOfPrimary(const HeifReference& reference) const {
    if (reference.type != FourCc("auxl") || reference.to != tables_.primary) return false;
    const HeifBox* kind = Property(reference.from, "auxC");
    return kind != nullptr && (HasAt(kind->data, 4, "urn:mpeg:mpegB:cicp:systems:auxiliary:alpha") ||
                               HasAt(kind->data, 4, "urn:mpeg:hevc:2015:auxid:1"));
  }

  /// libheif decodes alpha along with the image, wanted or not. Other auxiliary images (depth maps, gain
  /// maps) and thumbnails are left alone.
  Status Alpha(const Size& shown) {
    for (const HeifReference& reference : tables_.references) {
      if (!IsAlphaOfPrimary(reference)) continue;
      facts_->has_alpha = true;
      ASSIGN_OR_RETURN(const Size size, Item(reference.from, 1));
      // libheif before 1.16 reads past a smaller one.
      if (size != shown && !facts_->cropped) return Unsupported("has transparency of another size");
    }
    return Status::Ok();
  }

  const HeifTables& tables_;
  const std::string name_;
  HeifFacts* facts_ = nullptr;
  uint32_t visited_ = 0;
};

}  // namespace

Result<ImageHeader> ProbeHeif(std::span<const uint8_t> encoded, Format format) {
  const std::string name = format == Format::kAvif ? "AVIF" : "HEIC";
  ASSIGN_OR_RETURN(const HeifTables tables, ReadHeifTables(encoded, name));
  ImageHeader header;
  header.format = format;
  RETURN_IF_ERROR(Probe(tables, name).Run(&header));
  return header;
}

}  // namespace photovec::decode
