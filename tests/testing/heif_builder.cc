// SPDX-License-Identifier: MIT
#include "testing/heif_builder.h"

#include "testing/test_images_internal.h"

namespace photovec::test {
namespace {

void Put(Encoded* out, uint64_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
    out->push_back(static_cast<uint8_t>(value >> shift));
}
void Put(Encoded* out, std::string_view text) { out->insert(out->end(), text.begin(), text.end()); }
void Put(Encoded* out, const Encoded& bytes) { out->insert(out->end(), bytes.begin(), bytes.end()); }

Encoded Box(std::string_view type, const Encoded& body) {
  Encoded box;
  Put(&box, body.size() + 8, 4);
  Put(&box, type);
  Put(&box, body);
  return box;
}

Encoded FullBox(std::string_view type, int version, uint32_t flags, const Encoded& body) {
  Encoded whole;
  Put(&whole, static_cast<uint64_t>(version), 1);
  Put(&whole, flags, 3);
  Put(&whole, body);
  return Box(type, whole);
}

Encoded Nclx(int primaries, int transfer, int matrix, bool full_range) {
  Encoded body;
  Put(&body, std::string_view("nclx"));
  for (const int code : {primaries, transfer, matrix}) Put(&body, static_cast<uint64_t>(code), 2);
  body.push_back(full_range ? 0x80 : 0);
  return body;
}

Encoded Track(const HeifPart& part, int id, std::string_view handler, const Encoded& more, uint32_t offset) {
  Encoded tkhd(8, 0);
  Put(&tkhd, static_cast<uint64_t>(id), 4);
  tkhd.resize(80, 0);
  Encoded hdlr(4, 0);
  Put(&hdlr, handler);
  hdlr.resize(hdlr.size() + 13, 0);
  Encoded entry(24, 0);
  Put(&entry, static_cast<uint64_t>(part.width), 2);
  Put(&entry, static_cast<uint64_t>(part.height), 2);
  entry.resize(78, 0);
  Put(&entry, Box(part.av1 ? "av1C" : "hvcC", part.config));
  Encoded stsd;
  Put(&stsd, 1, 4);
  Put(&stsd, Box(part.av1 ? "av01" : "hvc1", entry));
  Encoded stsz(4, 0);
  Put(&stsz, 1, 4);
  Put(&stsz, part.data.size(), 4);
  Encoded stco;
  Put(&stco, 1, 4);
  Put(&stco, offset, 4);
  Encoded stbl = FullBox("stsd", 0, 0, stsd);
  Put(&stbl, FullBox("stsz", 0, 0, stsz));
  Put(&stbl, FullBox("stco", 0, 0, stco));
  Encoded mdia = FullBox("hdlr", 0, 0, hdlr);
  Put(&mdia, Box("minf", Box("stbl", stbl)));
  Encoded trak = FullBox("tkhd", 0, 3, tkhd);
  Put(&trak, more);
  Put(&trak, Box("mdia", mdia));
  return Box("trak", trak);
}

}  // namespace

HeifPart FakeHeifPart(int width, int height, bool av1, int bit_depth) {
  HeifPart part{av1, width, height, Encoded(40, 0xAA), Encoded(av1 ? 4 : 23, 0)};
  if (av1) {
    part.config[2] = static_cast<uint8_t>(0x0C | (bit_depth > 8 ? 0x40 : 0) | (bit_depth > 10 ? 0x20 : 0));
  } else {
    part.config[16] = 1;  // 4:2:0
    part.config[17] = part.config[18] = static_cast<uint8_t>(bit_depth - 8);
  }
  return part;
}

uint32_t HeifBuilder::AddItem(std::string_view type, const Encoded& data) {
  items_.push_back({std::string(type), data, !data.empty(), {}, {}});
  return static_cast<uint32_t>(items_.size());
}

uint32_t HeifBuilder::AddXmp(std::string_view packet) {
  const uint32_t id = AddItem("mime", {packet.begin(), packet.end()});
  items_.back().content_type = "application/rdf+xml";
  return id;
}

uint32_t HeifBuilder::AddCoded(const HeifPart& part) {
  const uint32_t id = AddItem(part.av1 ? "av01" : "hvc1", part.data);
  AddSize(id, part.width, part.height);
  AddProperty(id, part.av1 ? "av1C" : "hvcC", part.config);
  return id;
}

uint32_t HeifBuilder::AddGrid(int rows, int columns, int width, int height,
                              const std::vector<uint32_t>& tiles) {
  Encoded data = {0, 0, static_cast<uint8_t>(rows - 1), static_cast<uint8_t>(columns - 1)};
  Put(&data, static_cast<uint64_t>(width), 2);
  Put(&data, static_cast<uint64_t>(height), 2);
  const uint32_t id = AddItem("grid", data);
  AddSize(id, width, height);
  Refer("dimg", id, tiles);
  return id;
}

void HeifBuilder::AddProperty(uint32_t item, std::string_view type, const Encoded& body, bool essential) {
  const Encoded box = Box(type, body);
  size_t index = 0;
  while (index < properties_.size() && properties_[index] != box) ++index;
  if (index == properties_.size()) properties_.push_back(box);
  Require(index < 127, "few different properties");
  items_.at(item - 1).properties.push_back(static_cast<uint8_t>((index + 1) | (essential ? 0x80 : 0)));
}

void HeifBuilder::AddColour(uint32_t item, int primaries, int transfer, int matrix, bool full_range) {
  AddProperty(item, "colr", Nclx(primaries, transfer, matrix, full_range));
}

uint32_t HeifBuilder::AddOverlay(int width, int height, const std::vector<uint32_t>& parts,
                                 const std::vector<std::pair<int, int>>& places) {
  Encoded data = {0, 0, 0x20, 0, 0x40, 0, 0x60, 0, 0xFF, 0xFF};  // the colour of the canvas
  Put(&data, static_cast<uint64_t>(width), 2);
  Put(&data, static_cast<uint64_t>(height), 2);
  for (const auto& [x, y] : places) {
    Put(&data, static_cast<uint16_t>(x), 2);
    Put(&data, static_cast<uint16_t>(y), 2);
  }
  const uint32_t id = AddItem("iovl", data);
  AddSize(id, width, height);
  Refer("dimg", id, parts);
  return id;
}

void HeifBuilder::AddSize(uint32_t item, int width, int height) {
  Encoded body(4, 0);
  Put(&body, static_cast<uint64_t>(width), 4);
  Put(&body, static_cast<uint64_t>(height), 4);
  AddProperty(item, "ispe", body);
}

void HeifBuilder::AddCrop(uint32_t item, int width, int height) {
  Encoded body;
  for (const int numerator : {width, height, 0, 0}) {
    Put(&body, static_cast<uint64_t>(numerator), 4);
    Put(&body, 1, 4);
  }
  AddProperty(item, "clap", body);
}

void HeifBuilder::Refer(std::string_view type, uint32_t from, const std::vector<uint32_t>& to) {
  references_.push_back({std::string(type), from, to});
}

void HeifBuilder::MakeAlpha(uint32_t alpha, uint32_t image) {
  Encoded body(4, 0);
  Put(&body, std::string_view("urn:mpeg:mpegB:cicp:systems:auxiliary:alpha"));
  body.push_back(0);
  AddProperty(alpha, "auxC", body);
  Refer("auxl", alpha, {image});
}

Encoded HeifBuilder::Meta(uint32_t data_offset) const {
  Encoded hdlr(4, 0);
  Put(&hdlr, std::string_view("pict"));
  hdlr.resize(hdlr.size() + 13, 0);
  Encoded pitm;
  Put(&pitm, primary, 2);
  Encoded iinf;
  Put(&iinf, claimed_items != 0 ? claimed_items : items_.size(), 2);
  Encoded iloc = {0x44, 0x00};  // offsets and lengths of 4 bytes
  uint32_t located = 0;
  Encoded locations;
  Encoded associations;
  Encoded idat;
  int64_t offset = static_cast<int64_t>(in_idat ? 0 : data_offset) + shift;
  for (size_t i = 0; i < items_.size(); ++i) {
    const Item& item = items_[i];
    Encoded infe;
    Put(&infe, i + 1, 2);
    Put(&infe, 0, 2);
    Put(&infe, item.type);
    infe.push_back(0);
    if (!item.content_type.empty()) {
      Put(&infe, item.content_type);
      infe.push_back(0);
    }
    Put(&iinf, FullBox("infe", 2, 0, infe));
    Put(&associations, i + 1, 2);
    Put(&associations, item.properties.size(), 1);
    Put(&associations, item.properties);
    if (!item.located) continue;
    ++located;
    Put(&locations, i + 1, 2);
    Put(&locations, in_idat ? 1 : 0, 2);
    Put(&locations, 0, 2);
    Put(&locations, 1, 2);
    Put(&locations, static_cast<uint64_t>(offset), 4);
    Put(&locations, item.data.size(), 4);
    offset += static_cast<int64_t>(item.data.size());
    if (in_idat) Put(&idat, item.data);
  }
  Put(&iloc, located, 2);
  Put(&iloc, locations);
  Encoded ipco;
  for (const Encoded& property : properties_) Put(&ipco, property);
  Encoded ipma;
  Put(&ipma, items_.size(), 4);
  Put(&ipma, associations);
  Encoded iprp = Box("ipco", ipco);
  Put(&iprp, FullBox("ipma", 0, 0, ipma));
  Encoded iref;
  for (const Reference& reference : references_) {
    Encoded body;
    Put(&body, reference.from, 2);
    Put(&body, reference.to.size(), 2);
    for (const uint32_t to : reference.to) Put(&body, to, 2);
    Put(&iref, Box(reference.type, body));
  }
  Encoded meta = FullBox("hdlr", 0, 0, hdlr);
  Put(&meta, FullBox("pitm", 0, 0, pitm));
  Put(&meta, FullBox("iloc", 1, 0, iloc));
  Put(&meta, FullBox("iinf", 0, 0, iinf));
  if (!iref.empty()) Put(&meta, FullBox("iref", 0, 0, iref));
  Put(&meta, Box("iprp", iprp));
  if (in_idat) Put(&meta, Box("idat", idat));
  return FullBox("meta", 0, 0, meta);
}

Encoded HeifBuilder::Build() const {
  Encoded ftyp;
  Put(&ftyp, brands.front());
  Put(&ftyp, 0, 4);
  for (size_t i = 1; i < brands.size(); ++i) Put(&ftyp, brands[i]);
  Encoded file = Box("ftyp", ftyp);
  const size_t before_data = file.size() + Meta(0).size() + 8;
  Put(&file, Meta(static_cast<uint32_t>(before_data)));
  if (in_idat) return file;
  Encoded data;
  for (const Item& item : items_) Put(&data, item.data);
  Put(&file, Box("mdat", data));
  return file;
}

Encoded HeifOf(const HeifPart& part) {
  HeifBuilder builder;
  builder.AddCoded(part);
  if (part.av1) builder.brands = AvifBrands();
  return builder.Build();
}

Encoded HeifSequenceOf(const HeifPart& part, const HeifPart* alpha) {
  Encoded ftyp;
  Put(&ftyp, std::string_view(part.av1 ? "avis" : "hevc"));
  Put(&ftyp, 0, 4);
  Put(&ftyp, std::string_view(part.av1 ? "avismsf1" : "hevcmsf1"));
  const Encoded head = Box("ftyp", ftyp);
  const auto tracks = [&](size_t first) {
    Encoded moov = Track(part, 1, "pict", {}, static_cast<uint32_t>(first));
    if (alpha != nullptr) {
      const Encoded of = Box("tref", Box("auxl", {0, 0, 0, 1}));
      Put(&moov, Track(*alpha, 2, "auxv", of, static_cast<uint32_t>(first + part.data.size())));
    }
    return Box("moov", moov);
  };
  Encoded file = head;
  Put(&file, tracks(head.size() + tracks(0).size() + 8));
  Encoded data = part.data;
  if (alpha != nullptr) Put(&data, alpha->data);
  Put(&file, Box("mdat", data));
  return file;
}

std::vector<std::string> AvifBrands() { return {"avif", "mif1", "avif", "miaf"}; }

}  // namespace photovec::test
