// SPDX-License-Identifier: MIT
#include "decode/formats/heif/plan.h"

#include <algorithm>
#include <utility>

#include "decode/formats/heif/properties.h"
#include "decode/formats/heif/sequence.h"
#include "decode/header_probe.h"

namespace photovec::decode {
namespace {

/// A photo of photos of photos: phones write one level (a grid), and nobody more than two.
constexpr int kMaxDerivations = 3;

/// What an item may ask everybody to know about it, and is either heeded or without influence on the pixels.
constexpr std::string_view kKnownProperties[] = {
    "ispe", "hvcC", "av1C", "colr", "pixi", "irot", "imir", "clap", "pasp", "auxC", "a1op", "lsel",
    "a1lx", "clli", "mdcv", "cclv", "rloc", "amve", "ndwt", "reve", "udes", "altt", "crtt", "mdft"};

constexpr std::string_view kAvifName = "AVIF";

class Planner {
 public:
  Planner(const HeifTables& tables, std::string name) : tables_(tables), name_(std::move(name)) {}

  Result<HeifPlan> Run() {
    if (!tables_.has_primary) return Corrupt("does not say which image is its primary one");
    primary_ = tables_.primary;
    // A file whose primary image is a thumbnail has the image itself beside it.
    for (const HeifReference& reference : tables_.references) {
      if (reference.type == FourCc("thmb") && reference.from == tables_.primary) primary_ = reference.to;
    }
    ASSIGN_OR_RETURN(plan_.root, Item(primary_, 0, std::nullopt));
    FindIcc();
    if (name_ == kAvifName) FindOrientation();
    plan_.alpha_status = AddAlphaOfAll();
    return std::move(plan_);
  }

 private:
  using MaybeColour = std::optional<ColourCode>;

  Status Corrupt(const std::string& what) const { return {Code::kImageCorrupt, "the " + name_ + " " + what}; }
  Status Unsupported(const std::string& what) const {
    return {Code::kUnsupportedFormat, "the " + name_ + " " + what};
  }

  /// An item with everything below it.
  /// \param above the colours of the image that it is a part of, as that says.
  /// \return its node.
  Result<size_t> Item(uint32_t id, int depth, MaybeColour above) {
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
    if (!IsKnownKind(item->type)) {
      return Unsupported("holds an image of the kind '" + FourCcText(item->type) +
                         "'; only HEVC and AV1 are decoded");
    }
    RETURN_IF_ERROR(CheckProperties(id));
    HeifNode node;
    node.item = id;
    MaybeColour colour = Colour(id);
    if (!colour) colour = above;
    if (item->type == FourCc("hvc1") || item->type == FourCc("av01")) {
      RETURN_IF_ERROR(Coded(*item, colour, &node));
    } else if (depth + 1 >= kMaxDerivations) {
      return Unsupported("is nested too deeply");
    } else if (item->type == FourCc("grid")) {
      RETURN_IF_ERROR(Grid(*item, depth, colour, &node));
    } else if (item->type == FourCc("iovl")) {
      RETURN_IF_ERROR(Overlay(*item, depth, colour, &node));
    } else {
      RETURN_IF_ERROR(Copy(*item, depth, colour, &node));
    }
    RETURN_IF_ERROR(Transform(id, &node));
    plan_.nodes.push_back(std::move(node));
    return plan_.nodes.size() - 1;
  }

  static bool IsKnownKind(uint32_t type) {
    constexpr std::string_view kKinds[] = {"hvc1", "av01", "grid", "iovl", "iden", "tmap"};
    return std::any_of(std::begin(kKinds), std::end(kKinds),
                       [&](std::string_view kind) { return type == FourCc(kind); });
  }

  const HeifBox* At(const HeifAssociation& association) const {
    return association.property < tables_.properties.size() ? &tables_.properties[association.property]
                                                            : nullptr;
  }

  /// The box of that type among the item's properties; null when there is none.
  const HeifBox* Property(uint32_t item, std::string_view type) const {
    for (const HeifAssociation& association : tables_.PropertiesOf(item)) {
      const HeifBox* box = At(association);
      if (box != nullptr && box->type == FourCc(type)) return box;
    }
    return nullptr;
  }

  Status CheckProperties(uint32_t item) const {
    for (const HeifReference& reference : tables_.references) {
      if (reference.type == FourCc("pred") && reference.from == item) {
        return Unsupported("holds an image that is predicted from another one ('pred')");
      }
    }
    for (const HeifAssociation& association : tables_.PropertiesOf(item)) {
      const HeifBox* box = At(association);
      if (!association.essential || box == nullptr) continue;
      const bool known = std::any_of(std::begin(kKnownProperties), std::end(kKnownProperties),
                                     [&](std::string_view name) { return box->type == FourCc(name); });
      if (!known) {
        return Unsupported("needs the property '" + FourCcText(box->type) + "', which is not supported");
      }
    }
    return Status::Ok();
  }

  /// `colr` may be there twice: once with code points, once with a profile.
  MaybeColour Colour(uint32_t item) const {
    for (const HeifAssociation& association : tables_.PropertiesOf(item)) {
      const HeifBox* box = At(association);
      if (box == nullptr || box->type != FourCc("colr")) continue;
      if (MaybeColour code = ReadNclx(box->data)) return code;
    }
    return std::nullopt;
  }

  void FindIcc() {
    for (const HeifAssociation& association : tables_.PropertiesOf(primary_)) {
      const HeifBox* box = At(association);
      if (box == nullptr || box->type != FourCc("colr")) continue;
      if (!HasAt(box->data, 0, "prof") && !HasAt(box->data, 0, "rICC")) continue;
      plan_.has_icc = true;
      plan_.icc = box->data.subspan(4);
    }
  }

  /// As Pillow has it: `irot` and `imir` count, and overrule EXIF; where EXIF says nothing either, XMP
  /// counts.
  void FindOrientation() {
    for (const HeifStep& step : plan_.top().steps) {
      if (step.kind != HeifStep::Kind::kCrop) return;
    }
    OrientationNotes notes;
    for (const HeifReference& reference : tables_.references) {
      const HeifItem* item = tables_.Find(reference.from);
      if (reference.type != FourCc("cdsc") || reference.to != primary_ || item == nullptr || !item->inside) {
        continue;
      }
      if (item->type == FourCc("Exif")) {  // begins with how far behind that number the TIFF header is
        ByteReader reader(item->first());
        reader.Skip(reader.U32Be());
        notes.AddExif(reader.Bytes(reader.remaining()));
      }
      if (item->is_xmp) notes.AddXmp(item->first());
    }
    if (!notes.exif_says()) plan_.orientation = notes.Value();
  }

  Result<HeifSize> StatedSize(uint32_t item) const {
    const HeifBox* box = Property(item, "ispe");
    if (box == nullptr) return Corrupt("does not say how large its image is");
    ByteReader reader(box->data);
    ReadFullBox(&reader);
    const int64_t width = reader.U32Be();
    const int64_t height = reader.U32Be();
    return Checked({width, height}, reader);
  }

  Result<HeifSize> Checked(const HeifSize& size, const ByteReader& reader) const {
    if (reader.failed() || size.width == 0 || size.height == 0) return Corrupt("has an image of size 0");
    if (size.width > INT32_MAX || size.height > INT32_MAX) return Corrupt("has an image of impossible size");
    return size;
  }

  Status HasData(const HeifItem& item, const std::string& what) const {
    if (!item.located) return Corrupt("does not say where the data of " + what + " is");
    if (item.in_item) return Unsupported("has the data of " + what + " inside of another item");
    if (!item.inside) return Corrupt("is truncated: the data of " + what + " lies outside of the file");
    return item.bytes == 0 ? Corrupt("has no data of " + what) : Status::Ok();
  }

  /// The data of a derived image: some ten bytes.
  Result<std::vector<uint8_t>> Recipe(const HeifItem& item, const std::string& what) const {
    RETURN_IF_ERROR(HasData(item, what));
    std::vector<uint8_t> bytes;
    for (const auto& piece : item.pieces) {
      const size_t room = size_t{16} * kMaxHeifItems - bytes.size();
      bytes.insert(bytes.end(), piece.begin(),
                   piece.begin() + static_cast<ptrdiff_t>(std::min(piece.size(), room)));
    }
    return bytes;
  }

  Status Coded(const HeifItem& item, const MaybeColour& colour, HeifNode* node) {
    RETURN_IF_ERROR(
        HasData(item, item.id == primary_ ? "the image" : "the image's part " + std::to_string(item.id)));
    ASSIGN_OR_RETURN(node->size, StatedSize(item.id));
    node->av1 = item.type == FourCc("av01");
    node->data = item.pieces;
    const HeifBox* config = Property(item.id, node->av1 ? "av1C" : "hvcC");
    if (config == nullptr) {
      return Corrupt(node->av1 ? "has an AV1 image without its parameters (av1C)"
                               : "has an HEVC image without its parameters (hvcC)");
    }
    node->config = config->data;
    RETURN_IF_ERROR(ReadHeifStream(name_, node));
    RETURN_IF_ERROR(SelectLayers(item.id, node));
    node->colour = colour.value_or(node->stream.colour);
    return Status::Ok();
  }

  /// `a1op` names an operating point, `lsel` a layer.
  Status SelectLayers(uint32_t item, HeifNode* node) const {
    const HeifBox* point = Property(item, "a1op");
    const HeifBox* layer = Property(item, "lsel");
    if (node->av1 && point != nullptr && !point->data.empty()) {
      if (point->data[0] >= node->stream.operating_points)
        return Corrupt("names layers that it does not have");
      node->layers = node->stream.layers[point->data[0]];
    }
    if (layer == nullptr) return Status::Ok();
    constexpr uint32_t kAllLayers = 0xFFFF;
    ByteReader reader(layer->data);
    const uint32_t wanted = reader.U16Be();
    if (reader.failed()) return Corrupt("has a cut layer selector (lsel)");
    if (wanted == kAllLayers) return Status::Ok();
    if (!node->av1 && wanted == 0) return Status::Ok();  // the base
    const uint32_t all = node->layers != 0 ? node->layers : node->stream.layers[0];
    if (!node->av1 || wanted > 3 || (all != 0 && (all >> (8 + wanted) & 1U) == 0)) {
      return Unsupported("shows layer " + std::to_string(wanted) + " of an image, which it does not have");
    }
    if (all != 0) node->layers = all & (0xFFU | ((2U << wanted) - 1) << 8);
    return Status::Ok();
  }

  std::vector<uint32_t> Parts(uint32_t item) const {
    std::vector<uint32_t> parts;
    for (const HeifReference& reference : tables_.references) {
      if (reference.type == FourCc("dimg") && reference.from == item) parts.push_back(reference.to);
    }
    return parts;
  }

  /// HEIF §6.6.2.3.2.
  Status Grid(const HeifItem& item, int depth, const MaybeColour& colour, HeifNode* node) {
    node->kind = HeifNode::Kind::kGrid;
    ASSIGN_OR_RETURN(const std::vector<uint8_t> recipe, Recipe(item, "the grid"));
    ByteReader reader(recipe);
    reader.Skip(1);
    const bool wide = (reader.U8() & 1) != 0;
    const size_t rows = size_t{1} + reader.U8();
    node->columns = size_t{1} + reader.U8();
    const int64_t width = wide ? reader.U32Be() : reader.U16Be();
    const int64_t height = wide ? reader.U32Be() : reader.U16Be();
    ASSIGN_OR_RETURN(node->size, Checked({width, height}, reader));
    const std::vector<uint32_t> tiles = Parts(item.id);
    if (tiles.size() != rows * node->columns) {
      return Corrupt("is a grid of " + std::to_string(rows) + " x " + std::to_string(node->columns) +
                     " tiles and has " + std::to_string(tiles.size()));
    }
    for (const uint32_t tile : tiles) {
      ASSIGN_OR_RETURN(const size_t child, Item(tile, depth + 1, colour));
      node->children.push_back(child);
      const HeifSize& one = plan_.nodes[child].shown;
      if (node->children.size() == 1) node->tile = one;
      if (one != node->tile) return Corrupt("is a grid of tiles of different sizes");
    }
    if (node->tile.width * static_cast<int64_t>(node->columns) < node->size.width ||
        node->tile.height * static_cast<int64_t>(rows) < node->size.height) {
      return Corrupt("is a grid whose tiles do not cover it");
    }
    return Status::Ok();
  }

  /// HEIF §6.6.2.2.
  Status Overlay(const HeifItem& item, int depth, const MaybeColour& colour, HeifNode* node) {
    node->kind = HeifNode::Kind::kOverlay;
    ASSIGN_OR_RETURN(const std::vector<uint8_t> recipe, Recipe(item, "the overlay"));
    const std::vector<uint32_t> parts = Parts(item.id);
    if (parts.empty()) return Corrupt("misses the images that it shows");
    ByteReader reader(recipe);
    reader.Skip(1);
    const bool wide = (reader.U8() & 1) != 0;
    for (uint8_t& channel : node->fill) channel = static_cast<uint8_t>(reader.U16Be() >> 8);
    reader.Skip(2);
    const int64_t width = wide ? reader.U32Be() : reader.U16Be();
    const int64_t height = wide ? reader.U32Be() : reader.U16Be();
    ASSIGN_OR_RETURN(node->size, Checked({width, height}, reader));
    for (const uint32_t part : parts) {
      HeifNode::Offset offset;
      offset.x = wide ? static_cast<int32_t>(reader.U32Be()) : static_cast<int16_t>(reader.U16Be());
      offset.y = wide ? static_cast<int32_t>(reader.U32Be()) : static_cast<int16_t>(reader.U16Be());
      node->offsets.push_back(offset);
      ASSIGN_OR_RETURN(const size_t child, Item(part, depth + 1, colour));
      node->children.push_back(child);
      RETURN_IF_ERROR(AddAlpha(part, child));
    }
    return reader.failed() ? Corrupt("has an overlay of images whose places are cut off") : Status::Ok();
  }

  /// Another image once more ('iden'); or the image that a gain map makes brighter ('tmap'), without it.
  Status Copy(const HeifItem& item, int depth, const MaybeColour& colour, HeifNode* node) {
    node->kind = HeifNode::Kind::kCopy;
    const std::vector<uint32_t> parts = Parts(item.id);
    const bool tone_map = item.type == FourCc("tmap");
    if (parts.empty() || (!tone_map && parts.size() != 1)) return Corrupt("misses the image that it shows");
    // What `colr` says of a tone-mapped image is true with the gain map only.
    ASSIGN_OR_RETURN(const size_t child, Item(parts.front(), depth + 1, tone_map ? std::nullopt : colour));
    node->children.push_back(child);
    node->size = plan_.nodes[child].shown;
    return Status::Ok();
  }

  Status Transform(uint32_t item, HeifNode* node) const {
    node->shown = node->size;
    for (const HeifAssociation& association : tables_.PropertiesOf(item)) {
      const HeifBox* box = At(association);
      if (box == nullptr) continue;
      const Result<std::optional<HeifStep>> step = ReadHeifStep(*box, node->shown);
      if (!step.ok()) return Corrupt(step.status().message());
      if (!*step) continue;
      node->steps.push_back(**step);
      node->shown = HeifSizeAfter(**step, node->shown);
    }
    return Status::Ok();
  }

  /// The reference of the picture that holds an item's transparency; null when it has none.
  const HeifReference* AlphaOf(uint32_t item) const {
    for (const HeifReference& reference : tables_.references) {
      if (reference.type != FourCc("auxl") || reference.to != item) continue;
      const HeifBox* kind = Property(reference.from, "auxC");
      if (kind != nullptr && (HasAt(kind->data, 4, "urn:mpeg:mpegB:cicp:systems:auxiliary:alpha") ||
                              HasAt(kind->data, 4, "urn:mpeg:hevc:2015:auxid:1"))) {
        return &reference;
      }
    }
    return nullptr;
  }

  /// Other auxiliary images (depth maps, gain maps) and thumbnails are left alone.
  Status AddAlpha(uint32_t item, size_t index) {
    const HeifReference* alpha = AlphaOf(item);
    if (alpha == nullptr) return Status::Ok();
    ASSIGN_OR_RETURN(const size_t made, Item(alpha->from, 1, std::nullopt));
    HeifNode& node = plan_.nodes[made];
    HeifNode& image = plan_.nodes[index];
    // Some writers turn the image only.
    if (node.steps.empty() && node.size == image.size) {
      node.steps = image.steps;
      node.shown = image.shown;
    }
    image.alpha = made;
    image.premultiplied = std::any_of(
        tables_.references.begin(), tables_.references.end(), [&](const HeifReference& reference) {
          return reference.type == FourCc("prem") && reference.from == item && reference.to == alpha->from;
        });
    return Status::Ok();
  }

  /// The transparency of the primary image, of what it is a copy of, or of its tiles.
  Status AddAlphaOfAll() {
    RETURN_IF_ERROR(AddAlpha(primary_, plan_.root));
    if (plan_.top().alpha != kNoHeifNode) return Status::Ok();
    if (plan_.top().kind == HeifNode::Kind::kGrid) return AddAlphaOfTiles();
    if (plan_.top().kind != HeifNode::Kind::kCopy) return Status::Ok();
    const size_t source = plan_.top().children.front();
    RETURN_IF_ERROR(AddAlpha(plan_.nodes[source].item, source));
    const size_t alpha = plan_.nodes[source].alpha;
    if (alpha == kNoHeifNode) return Status::Ok();
    HeifNode copy = plan_.top();
    copy.children = {alpha};
    copy.size = plan_.nodes[alpha].shown;
    if (copy.size != plan_.top().size)
      return Unsupported("copies an image with transparency of another size");
    return AddNodeAsAlpha(std::move(copy), plan_.nodes[source].premultiplied);
  }

  Status AddAlphaOfTiles() {
    HeifNode grid = plan_.top();
    size_t with = 0;
    for (size_t& child : grid.children) {
      RETURN_IF_ERROR(AddAlpha(plan_.nodes[child].item, child));
      if (plan_.nodes[child].alpha == kNoHeifNode) continue;
      ++with;
      if (plan_.nodes[plan_.nodes[child].alpha].shown != grid.tile) {
        return Unsupported("has tiles with transparency of another size");
      }
      child = plan_.nodes[child].alpha;
    }
    if (with == 0) return Status::Ok();
    if (with != grid.children.size()) return Unsupported("has some tiles with and some without transparency");
    return AddNodeAsAlpha(std::move(grid), plan_.nodes[plan_.top().children.front()].premultiplied);
  }

  Status AddNodeAsAlpha(HeifNode node, bool premultiplied) {
    plan_.nodes.push_back(std::move(node));
    HeifNode& top = plan_.nodes[plan_.root];
    top.alpha = plan_.nodes.size() - 1;
    top.premultiplied = premultiplied;
    return Status::Ok();
  }

  const HeifTables& tables_;
  const std::string name_;
  uint32_t primary_ = 0;
  HeifPlan plan_;
  uint32_t visited_ = 0;
};

}  // namespace

Result<HeifPlan> ReadHeifPlan(std::span<const uint8_t> file, const std::string& name) {
  const Result<HeifTables> tables = ReadHeifTables(file, name);
  if (!tables.ok() || !tables->has_primary || tables->items.empty()) {
    if (std::optional<Result<HeifPlan>> sequence = ReadHeifSequence(file, name)) return *std::move(sequence);
  }
  if (!tables.ok()) return tables.status();
  return Planner(*tables, name).Run();
}

}  // namespace photovec::decode
