// SPDX-License-Identifier: MIT
#include "decode/formats/heif/boxes.h"

#include <algorithm>

namespace photovec::decode {
namespace {

uint64_t U64Be(ByteReader* reader) {
  const uint64_t high = reader->U32Be();
  return high << 32 | reader->U32Be();
}

/// The number of `size` bytes; iloc has 0, 4 and 8.
uint64_t Sized(ByteReader* reader, unsigned size) {
  return size == 8 ? U64Be(reader) : size == 4 ? reader->U32Be() : 0;
}
bool IsIlocSize(unsigned size) { return size == 0 || size == 4 || size == 8; }

/// An item id, of 16 bits in old versions of each box.
uint32_t ReadId(ByteReader* reader, bool wide) { return wide ? reader->U32Be() : reader->U16Be(); }

class TableReader {
 public:
  TableReader(std::span<const uint8_t> file, const std::string& name) : file_(file), name_(name) {}

  Result<HeifTables> Read() {
    HeifBox meta;
    RETURN_IF_ERROR(FindMeta(&meta));
    ByteReader reader(meta.data);
    ReadFullBox(&reader);
    HeifBox box;
    HeifBox iloc;
    while (NextBox(&reader, &box)) {
      if (box.type == FourCc("idat") && idat_.empty()) idat_ = box.data;
      if (box.type == FourCc("iloc") && iloc.data.empty()) iloc = box;
      RETURN_IF_ERROR(ReadChild(box));
    }
    if (reader.failed()) return Cut();
    std::stable_sort(tables_.items.begin(), tables_.items.end(),
                     [](const HeifItem& a, const HeifItem& b) { return a.id < b.id; });
    std::stable_sort(tables_.associations.begin(), tables_.associations.end(),
                     [](const HeifAssociation& a, const HeifAssociation& b) { return a.item < b.item; });
    RETURN_IF_ERROR(ReadLocations(iloc));  // last: it looks items up, and needs idat
    return std::move(tables_);
  }

 private:
  Status Cut() const { return {Code::kImageCorrupt, "the " + name_ + " is truncated"}; }
  Status Corrupt(const char* what) const { return {Code::kImageCorrupt, "the " + name_ + " " + what}; }
  Status TooMany(const char* what, uint64_t count, uint64_t limit) const {
    return {Code::kDecodeLimit, "the " + name_ + " has " + std::to_string(count) + " " + what +
                                    "; the limit is " + std::to_string(limit)};
  }

  Status FindMeta(HeifBox* meta) const {
    ByteReader reader(file_);
    HeifBox box;
    bool found = false;
    while (NextBox(&reader, &box)) {
      if (box.type != FourCc("meta") || found) continue;
      *meta = box;
      found = true;
    }
    // Cameras hang things that are no boxes behind the last one; image data that is cut is another matter.
    if (reader.failed() && (!found || box.type == FourCc("mdat"))) return Cut();
    return found ? Status::Ok() : Corrupt("has no list of its images");
  }

  Status ReadChild(const HeifBox& box) {
    if (box.type == FourCc("pitm")) return ReadPrimary(box);
    if (box.type == FourCc("iinf")) return ReadItems(box);
    if (box.type == FourCc("iref")) return ReadReferences(box);
    if (box.type == FourCc("iprp")) return ReadProperties(box);
    return Status::Ok();
  }

  Status ReadPrimary(const HeifBox& box) {
    ByteReader reader(box.data);
    const bool wide = ReadFullBox(&reader) != 0;
    tables_.primary = ReadId(&reader, wide);
    tables_.has_primary = !reader.failed();
    return reader.failed() ? Cut() : Status::Ok();
  }

  Status ReadItems(const HeifBox& box) {
    if (!tables_.items.empty()) return Corrupt("lists its items twice");
    ByteReader reader(box.data);
    const bool wide = ReadFullBox(&reader) != 0;
    const uint32_t count = ReadId(&reader, wide);
    if (count > kMaxHeifItems) return TooMany("items", count, kMaxHeifItems);
    HeifBox entry;
    while (tables_.items.size() < count && NextBox(&reader, &entry)) {
      if (entry.type != FourCc("infe")) continue;
      ByteReader fields(entry.data);
      const uint8_t version = ReadFullBox(&fields);
      HeifItem item;
      item.id = ReadId(&fields, version >= 3);
      item.is_protected = fields.U16Be() != 0;
      if (version >= 2) item.type = fields.U32Be();
      if (fields.failed()) return Corrupt("has a broken item entry");
      if (item.type == FourCc("mime")) {
        while (fields.U8() != 0) {  // its name
        }
        constexpr std::string_view kXmp("application/rdf+xml\0", 20);
        item.is_xmp = HasAt(entry.data, fields.offset(), kXmp);
      }
      tables_.items.push_back(item);
    }
    return reader.failed() ? Cut() : Status::Ok();
  }

  Status ReadReferences(const HeifBox& box) {
    ByteReader reader(box.data);
    const bool wide = ReadFullBox(&reader) != 0;
    HeifBox entry;
    while (NextBox(&reader, &entry)) {
      ByteReader fields(entry.data);
      const uint32_t from = ReadId(&fields, wide);
      const uint32_t count = fields.U16Be();
      for (uint32_t i = 0; i < count && !fields.failed(); ++i) {
        tables_.references.push_back({entry.type, from, ReadId(&fields, wide)});
      }
      if (fields.failed()) return Corrupt("has a broken item reference");
      // A photo refers once to each tile, and an item or two about them.
      if (tables_.references.size() > 4 * kMaxHeifItems) {
        return TooMany("item references", tables_.references.size(), 4 * kMaxHeifItems);
      }
    }
    return reader.failed() ? Cut() : Status::Ok();
  }

  Status ReadProperties(const HeifBox& iprp) {
    ByteReader reader(iprp.data);
    HeifBox box;
    while (NextBox(&reader, &box)) {
      if (box.type == FourCc("ipma")) RETURN_IF_ERROR(ReadAssociations(box));
      if (box.type != FourCc("ipco") || !tables_.properties.empty()) continue;
      ByteReader list(box.data);
      HeifBox property;
      while (NextBox(&list, &property)) {
        if (tables_.properties.size() == kMaxHeifProperties) {
          return TooMany("or more properties", kMaxHeifProperties + 1, kMaxHeifProperties);
        }
        tables_.properties.push_back(property);
      }
      if (list.failed()) return Corrupt("has a broken list of properties");
    }
    return reader.failed() ? Cut() : Status::Ok();
  }

  Status ReadAssociations(const HeifBox& box) {
    ByteReader reader(box.data);
    uint32_t flags = 0;
    const bool wide_id = ReadFullBox(&reader, &flags) != 0;
    const bool wide_index = (flags & 1) != 0;
    const uint32_t entries = reader.U32Be();
    for (uint32_t i = 0; i < entries && !reader.failed(); ++i) {
      const uint32_t item = ReadId(&reader, wide_id);
      const uint32_t count = reader.U8();
      for (uint32_t j = 0; j < count; ++j) {
        const uint32_t word = wide_index ? reader.U16Be() : reader.U8();
        const uint32_t essential = wide_index ? 0x8000 : 0x80;
        const uint32_t index = word & (essential - 1);  // 0: none
        if (index != 0) tables_.associations.push_back({item, index - 1, (word & essential) != 0});
      }
      if (tables_.associations.size() > kMaxHeifAssociations) {
        return TooMany("or more uses of properties", tables_.associations.size(), kMaxHeifAssociations);
      }
    }
    return reader.failed() ? Corrupt("has a broken table of properties") : Status::Ok();
  }

  Status ReadLocations(const HeifBox& box) {
    if (box.data.empty()) return Corrupt("does not say where its data is");
    ByteReader reader(box.data);
    const uint8_t version = ReadFullBox(&reader);
    IlocSizes sizes;
    const uint32_t packed = reader.U16Be();
    sizes.offset = packed >> 12;
    sizes.length = packed >> 8 & 15;
    sizes.base = packed >> 4 & 15;
    sizes.index = version == 0 ? 0 : packed & 15;
    if (version > 2 || !IsIlocSize(sizes.offset) || !IsIlocSize(sizes.length) || !IsIlocSize(sizes.base) ||
        !IsIlocSize(sizes.index)) {
      return Corrupt("has a table of item locations of an unknown kind");
    }
    const uint32_t count = ReadId(&reader, version == 2);
    if (count > kMaxHeifItems) return TooMany("item locations", count, kMaxHeifItems);
    for (uint32_t i = 0; i < count; ++i) RETURN_IF_ERROR(ReadLocation(&reader, version, sizes));
    return Status::Ok();
  }

  struct IlocSizes {
    unsigned offset = 0;
    unsigned length = 0;
    unsigned base = 0;
    unsigned index = 0;
  };

  Status ReadLocation(ByteReader* reader, uint8_t version, const IlocSizes& sizes) {
    const uint32_t id = ReadId(reader, version == 2);
    const uint32_t method = version == 0 ? 0 : reader->U16Be() & 15;
    const bool elsewhere = reader->U16Be() != 0;  // in another file
    const uint64_t base = Sized(reader, sizes.base);
    const uint32_t extents = reader->U16Be();
    if (extents > kMaxHeifExtents) return TooMany("pieces of one item", extents, kMaxHeifExtents);
    HeifItem found;
    // 0 counts from the start of the file, 1 from that of idat, 2 from that of another item's data.
    const std::span<const uint8_t> all = method == 0 ? file_ : idat_;
    found.inside = method <= 1 && !elsewhere && extents > 0;
    found.in_item = method == 2;
    for (uint32_t i = 0; i < extents; ++i) {
      Sized(reader, sizes.index);
      const uint64_t offset = Sized(reader, sizes.offset);
      uint64_t length = Sized(reader, sizes.length);
      const uint64_t begin = base + offset;
      // A length of 0: to the end (ISO/IEC 14496-12 §8.11.3.3).
      if (length == 0 && sizes.length == 0 && begin >= base && begin <= all.size())
        length = all.size() - begin;
      if (begin < base || begin > all.size() || length > all.size() - begin) found.inside = false;
      if (!found.inside) continue;
      found.pieces.push_back(all.subspan(static_cast<size_t>(begin), static_cast<size_t>(length)));
      found.bytes += length;
    }
    if (reader->failed()) return Corrupt("has a broken table of item locations");
    const auto item = std::lower_bound(tables_.items.begin(), tables_.items.end(), id,
                                       [](const HeifItem& a, uint32_t b) { return a.id < b; });
    if (item == tables_.items.end() || item->id != id || item->located) return Status::Ok();
    item->located = true;
    item->inside = found.inside;
    item->in_item = found.in_item;
    item->bytes = found.inside ? found.bytes : 0;
    if (found.inside) item->pieces = std::move(found.pieces);
    return Status::Ok();
  }

  std::span<const uint8_t> file_;
  const std::string& name_;
  std::span<const uint8_t> idat_;
  HeifTables tables_;
};

}  // namespace

std::string FourCcText(uint32_t type) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) {
    const char c = static_cast<char>(type >> shift & 0xFF);
    text.push_back(c >= 0x20 && c < 0x7F ? c : '?');
  }
  return text;
}

bool NextBox(ByteReader* reader, HeifBox* box) {
  if (reader->failed() || reader->remaining() == 0) return false;
  uint64_t size = reader->U32Be();
  box->type = reader->U32Be();
  uint64_t header = 8;
  if (size == 1) {
    size = U64Be(reader);
    header = 16;
  }
  if (size == 0) size = header + reader->remaining();  // to the end
  // A box that is longer than what is left, or shorter than its own head, fails the reader.
  const uint64_t data = size < header ? UINT64_MAX : size - header;
  box->data = reader->Bytes(static_cast<size_t>(data));
  return !reader->failed();
}

uint8_t ReadFullBox(ByteReader* reader, uint32_t* flags) {
  const uint32_t word = reader->U32Be();
  if (flags != nullptr) *flags = word & 0xFFFFFF;
  return static_cast<uint8_t>(word >> 24);
}

const HeifItem* HeifTables::Find(uint32_t id) const {
  const auto item = std::lower_bound(items.begin(), items.end(), id,
                                     [](const HeifItem& a, uint32_t b) { return a.id < b; });
  return item == items.end() || item->id != id ? nullptr : &*item;
}

std::span<const HeifAssociation> HeifTables::PropertiesOf(uint32_t item) const {
  const auto begin = std::lower_bound(associations.begin(), associations.end(), item,
                                      [](const HeifAssociation& a, uint32_t b) { return a.item < b; });
  auto end = begin;
  while (end != associations.end() && end->item == item) ++end;
  return {begin, end};
}

Result<HeifTables> ReadHeifTables(std::span<const uint8_t> file, const std::string& name) {
  return TableReader(file, name).Read();
}

}  // namespace photovec::decode
