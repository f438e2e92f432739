// SPDX-License-Identifier: MIT
#include "decode/formats/heif/still_file.h"

#include <string_view>

namespace photovec::decode {
namespace {

using Bytes = std::vector<uint8_t>;

void Put(Bytes* out, uint64_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    out->push_back(static_cast<uint8_t>(value >> shift));
  }
}
void Put(Bytes* out, std::string_view text) { out->insert(out->end(), text.begin(), text.end()); }
void Put(Bytes* out, std::span<const uint8_t> bytes) { out->insert(out->end(), bytes.begin(), bytes.end()); }

Bytes Box(std::string_view type, const Bytes& body) {
  Bytes box;
  Put(&box, body.size() + 8, 4);
  Put(&box, type);
  Put(&box, body);
  return box;
}
Bytes FullBox(std::string_view type, int version, const Bytes& body) {
  Bytes whole;
  Put(&whole, static_cast<uint64_t>(version), 1);
  Put(&whole, 0, 3);
  Put(&whole, body);
  return Box(type, whole);
}

/// NAL units with lengths of 4 bytes. What is cut stays cut: its decoder says so.
Bytes WidenLengths(const Bytes& data, unsigned length_bytes) {
  Bytes out;
  size_t at = 0;
  while (at + length_bytes <= data.size()) {
    size_t length = 0;
    for (unsigned i = 0; i < length_bytes; ++i) length = length << 8 | data[at++];
    Put(&out, length, 4);
    const size_t there = std::min(length, data.size() - at);
    Put(&out, std::span(data).subspan(at, there));
    at += there;
  }
  return out;
}

/// Overwrites the layers of the first operating point, which is the one that decoders choose.
void ChooseLayers(const HeifNode& node, Bytes* data) {
  const uint64_t first = node.stream.layers_at_bit;
  if (node.layers == 0 || first == 0) return;
  for (uint64_t i = 0; i < 12; ++i) {
    const uint64_t at = first + i;
    if (at / 8 >= data->size()) return;
    const auto mask = static_cast<uint8_t>(0x80U >> (at % 8));
    uint8_t& byte = (*data)[static_cast<size_t>(at / 8)];
    byte = (node.layers >> (11 - i) & 1U) != 0 ? byte | mask : byte & static_cast<uint8_t>(~mask);
  }
}

Bytes Data(const HeifNode& node) {
  Bytes data;
  for (const auto& piece : node.data) Put(&data, piece);
  if (node.av1) {
    ChooseLayers(node, &data);
    return data;
  }
  constexpr size_t kLengthSize = 21;  // in hvcC
  const unsigned length_bytes = node.config.size() > kLengthSize ? (node.config[kLengthSize] & 3U) + 1 : 4;
  return length_bytes == 4 ? data : WidenLengths(data, length_bytes);
}

/// The `meta` box; the data lie at `offset`.
Bytes Meta(const HeifNode& node, uint64_t offset, uint64_t data_bytes) {
  Bytes hdlr(4, 0);
  Put(&hdlr, "pict");
  hdlr.resize(hdlr.size() + 13, 0);
  Bytes infe;
  Put(&infe, 1, 2);
  Put(&infe, 0, 2);
  Put(&infe, node.av1 ? "av01" : "hvc1");
  infe.push_back(0);
  Bytes iinf;
  Put(&iinf, 1, 2);
  Put(&iinf, FullBox("infe", 2, infe));
  Bytes iloc;
  Put(&iloc, 0x4400, 2);  // offsets and lengths of 4 bytes
  Put(&iloc, 1, 2);
  Put(&iloc, 1, 2);
  Put(&iloc, 0, 2);
  Put(&iloc, 1, 2);
  Put(&iloc, offset, 4);
  Put(&iloc, data_bytes, 4);
  Bytes ispe;
  Put(&ispe, static_cast<uint64_t>(node.size.width), 4);
  Put(&ispe, static_cast<uint64_t>(node.size.height), 4);
  Bytes colr;
  Put(&colr, "nclx");
  for (const uint64_t code : {uint64_t{1}, uint64_t{13}, uint64_t{0}}) Put(&colr, code, 2);
  colr.push_back(0x80);
  Bytes ipco = FullBox("ispe", 0, ispe);
  Put(&ipco, Box(node.av1 ? "av1C" : "hvcC", Bytes(node.config.begin(), node.config.end())));
  Put(&ipco, Box("colr", colr));
  Bytes ipma;
  Put(&ipma, 1, 4);
  Put(&ipma, 1, 2);
  ipma.push_back(3);
  for (const int property : {1, 2, 3}) ipma.push_back(static_cast<uint8_t>(property));
  Bytes iprp = Box("ipco", ipco);
  Put(&iprp, FullBox("ipma", 0, ipma));
  Bytes meta = FullBox("hdlr", 0, hdlr);
  Bytes pitm;
  Put(&pitm, 1, 2);
  Put(&meta, FullBox("pitm", 0, pitm));
  Put(&meta, FullBox("iloc", 0, iloc));
  Put(&meta, FullBox("iinf", 0, iinf));
  Put(&meta, Box("iprp", iprp));
  return FullBox("meta", 0, meta);
}

}  // namespace

std::vector<uint8_t> MakeStillFile(const HeifNode& node) {
  const Bytes data = Data(node);
  Bytes ftyp;
  Put(&ftyp, node.av1 ? "avif" : "heic");
  Put(&ftyp, 0, 4);
  Put(&ftyp, node.av1 ? "mif1avif" : "mif1heic");
  Bytes file = Box("ftyp", ftyp);
  const size_t begin = file.size() + Meta(node, 0, 0).size() + 8;
  Put(&file, Meta(node, begin, data.size()));
  file.reserve(begin + data.size());
  Put(&file, data.size() + 8, 4);
  Put(&file, "mdat");
  Put(&file, data);
  return file;
}

}  // namespace photovec::decode
