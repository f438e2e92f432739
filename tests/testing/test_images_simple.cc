// SPDX-License-Identifier: MIT
#include "testing/test_images_simple.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace photovec::test {
namespace {

/// Numbers in one byte order.
class Bytes {
 public:
  explicit Bytes(bool big_endian = false) : big_endian_(big_endian) {}
  void Number(uint64_t value, size_t bytes) { Put(out.size(), value, bytes); }
  void Put(size_t at, uint64_t value, size_t bytes) {
    if (out.size() < at + bytes) out.resize(at + bytes);
    for (size_t i = 0; i < bytes; ++i) {
      out[at + i] = static_cast<uint8_t>(value >> 8 * (big_endian_ ? bytes - 1 - i : i));
    }
  }
  void Text(std::string_view text) { out.insert(out.end(), text.begin(), text.end()); }
  void Add(std::span<const uint8_t> bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

  Encoded out;

 private:
  bool big_endian_;
};

Encoded PackBits(const Encoded& row) {
  Encoded out;
  for (size_t x = 0; x < row.size();) {
    size_t run = 1;
    while (run < 128 && x + run < row.size() && row[x + run] == row[x]) ++run;
    out.push_back(static_cast<uint8_t>(1 - static_cast<int>(run)));
    out.push_back(row[x]);
    x += run;
  }
  return out;
}

/// A window of one plane (or all samples), beyond the picture repeated from its edge.
Encoded Piece(const Raster& r, const TiffOptions& options, int plane, int left, int top, int width,
              int height) {
  Encoded out;
  for (int y = top; y < top + height; ++y) {
    Encoded row;
    for (int x = left; x < left + width; ++x) {
      const uint8_t* at = r.At(std::min(x, r.width - 1), std::min(y, r.height - 1));
      if (options.planar) {
        row.push_back(at[plane]);
      } else {
        row.insert(row.end(), at, at + r.channels);
      }
    }
    if (options.packbits) row = PackBits(row);
    out.insert(out.end(), row.begin(), row.end());
  }
  return out;
}

std::vector<Encoded> Pieces(const Raster& r, const TiffOptions& options) {
  std::vector<Encoded> pieces;
  for (int plane = 0; plane < (options.planar ? r.channels : 1); ++plane) {
    const int step = options.tile > 0 ? options.tile : options.strip_rows;
    for (int top = 0; top < r.height; top += step) {
      if (options.tile == 0) {
        pieces.push_back(Piece(r, options, plane, 0, top, r.width, std::min(step, r.height - top)));
        continue;
      }
      for (int left = 0; left < r.width; left += step)
        pieces.push_back(Piece(r, options, plane, left, top, step, step));
    }
  }
  return pieces;
}

struct Tag {
  uint16_t tag;
  uint16_t type;  ///< 3: 2 bytes, 4: 4 bytes
  std::vector<uint64_t> values;
};

std::vector<Tag> Tags(const Raster& r, const TiffOptions& options, const std::vector<Encoded>& pieces,
                      size_t data) {
  std::vector<uint64_t> offsets;
  std::vector<uint64_t> counts;
  for (const Encoded& piece : pieces) {
    offsets.push_back(data);
    counts.push_back(piece.size());
    data += piece.size();
  }
  const auto u = [](int value) { return static_cast<uint64_t>(value); };
  const bool tiled = options.tile > 0;
  const int photometric = options.photometric >= 0 ? options.photometric : r.channels >= 3 ? 2 : 1;
  std::vector<Tag> tags = {{256, 3, {u(r.width)}},
                           {257, 3, {u(r.height)}},
                           {258, 3, std::vector<uint64_t>(u(r.channels), 8)},
                           {259, 3, {options.packbits ? 32773U : 1U}},
                           {262, 3, {u(photometric)}},
                           {274, 3, {u(options.orientation)}},
                           {277, 3, {u(r.channels)}},
                           {284, 3, {options.planar ? 2U : 1U}},
                           {static_cast<uint16_t>(tiled ? 324 : 273), 4, offsets},
                           {static_cast<uint16_t>(tiled ? 325 : 279), 4, counts}};
  if (tiled) {
    tags.push_back({322, 3, {u(options.tile)}});
    tags.push_back({323, 3, {u(options.tile)}});
  } else {
    tags.push_back({278, 3, {u(options.strip_rows)}});
  }
  if (r.channels == 4 && photometric == 2) tags.push_back({338, 3, {u(options.extra_sample)}});
  std::sort(tags.begin(), tags.end(), [](const Tag& a, const Tag& b) { return a.tag < b.tag; });
  return tags;
}

}  // namespace

Encoded EncodeTiff(const Raster& raster, const TiffOptions& options) {
  const size_t word = options.big_tiff ? 8 : 4;
  const std::vector<Encoded> pieces = Pieces(raster, options);
  const size_t head = options.big_tiff ? 16 : 8;
  Bytes out(options.big_endian);
  out.Text(options.big_endian ? "MM" : "II");
  out.Number(options.big_tiff ? 43 : 42, 2);
  if (options.big_tiff) {
    out.Number(8, 2);
    out.Number(0, 2);
  }
  size_t data = 0;
  for (const Encoded& piece : pieces) data += piece.size();
  out.Number(head + data, word);
  for (const Encoded& piece : pieces) out.Add(piece);
  const std::vector<Tag> tags = Tags(raster, options, pieces, head);
  size_t at = out.out.size();
  out.Put(at, tags.size(), options.big_tiff ? 8 : 2);
  at += options.big_tiff ? 8 : 2;
  size_t behind = at + tags.size() * (4 + 2 * word) + word;  // values that have no place in their entry
  out.Put(behind - word, 0, word);                           // no further directory
  for (const Tag& tag : tags) {
    const size_t each = tag.type == 3 ? 2 : 4;
    const bool inside = tag.values.size() * each <= word;
    out.Put(at, tag.tag, 2);
    out.Put(at + 2, tag.type, 2);
    out.Put(at + 4, tag.values.size(), word);
    if (!inside) out.Put(at + 4 + word, behind, word);
    for (size_t i = 0; i < tag.values.size(); ++i) {
      out.Put((inside ? at + 4 + word : behind) + i * each, tag.values[i], each);
    }
    if (!inside) behind += tag.values.size() * each;
    at += 4 + 2 * word;
  }
  return out.out;
}

namespace {

/// The header of 40 bytes and what comes before it.
Bytes BmpHead(int width, int height, int bits, uint32_t compression, size_t palette_bytes,
              size_t data_bytes) {
  Bytes out;
  out.Text("BM");
  out.Number(54 + palette_bytes + data_bytes, 4);
  out.Number(0, 4);
  out.Number(54 + palette_bytes, 4);
  out.Number(40, 4);
  out.Number(static_cast<uint32_t>(width), 4);
  out.Number(static_cast<uint32_t>(height), 4);
  out.Number(1, 2);
  out.Number(static_cast<uint32_t>(bits), 2);
  out.Number(compression, 4);
  out.Number(data_bytes, 4);
  for (int i = 0; i < 4; ++i) out.Number(0, 4);
  return out;
}

}  // namespace

Encoded EncodeBmp(const Raster& raster, int bits, bool top_down) {
  Encoded data;
  for (int i = 0; i < raster.height; ++i) {
    const int y = top_down ? i : raster.height - 1 - i;
    for (int x = 0; x < raster.width; ++x) {
      const uint8_t* at = raster.At(x, y);
      if (bits == 8) {
        data.push_back(at[0]);
      } else {
        data.insert(data.end(), {at[2], at[1], at[0]});
        if (bits == 32) data.push_back(raster.channels == 4 ? at[3] : uint8_t{0});
      }
    }
    while (data.size() % 4 != 0) data.push_back(0);
  }
  Bytes out = BmpHead(raster.width, top_down ? -raster.height : raster.height, bits, 0, bits == 8 ? 1024 : 0,
                      data.size());
  for (uint64_t i = 0; bits == 8 && i < 256; ++i) out.Number(i * 0x010101, 4);
  out.Add(data);
  return out.out;
}

Encoded EncodeRleBmp(const Raster& indices) {
  Encoded data;
  for (int y = indices.height - 1; y >= 0; --y) {
    for (int x = 0; x < indices.width;) {
      int run = 1;
      while (run < 255 && x + run < indices.width && *indices.At(x + run, y) == *indices.At(x, y)) ++run;
      const int literal = std::min(5, indices.width - x);
      if (run < 3 && literal >= 3) {
        data.insert(data.end(), {0, static_cast<uint8_t>(literal)});
        data.insert(data.end(), indices.At(x, y), indices.At(x, y) + literal);
        if (literal % 2 == 1) data.push_back(0);
        x += literal;
      } else {
        data.insert(data.end(), {static_cast<uint8_t>(run), *indices.At(x, y)});
        x += run;
      }
    }
    data.insert(data.end(), {0, 0});
  }
  data.insert(data.end(), {0, 1});
  Bytes out = BmpHead(indices.width, indices.height, 8, 1, 1024, data.size());
  for (uint64_t i = 0; i < 256; ++i) out.Number((255 - i) * 0x010101, 4);
  out.Add(data);
  return out.out;
}

Encoded EncodePnm(const Raster& raster, int kind) {
  Bytes out;
  const std::string size =
      std::to_string(raster.width) + (kind == 7 ? "\nHEIGHT " : " ") + std::to_string(raster.height);
  out.Text("P" + std::to_string(kind) + "\n# a comment\n");
  if (kind == 7) {
    out.Text("WIDTH " + size + "\nDEPTH " + std::to_string(raster.channels) + "\nMAXVAL 255\nENDHDR\n");
  } else {
    out.Text(size + (kind == 1 || kind == 4 ? "\n" : "\n255\n"));
  }
  if (kind >= 5) {
    out.Add(raster.samples);
    return out.out;
  }
  for (int y = 0; y < raster.height; ++y) {
    uint8_t packed = 0;
    for (int x = 0; x < raster.width; ++x) {
      const uint8_t* at = raster.At(x, y);
      const bool black = at[0] < 128;
      if (kind == 1) out.Text(black ? "1" : "0");
      for (int c = 0; c < raster.channels && (kind == 2 || kind == 3); ++c)
        out.Text(std::to_string(at[c]) + " ");
      packed = static_cast<uint8_t>(packed | (black ? 0x80 >> x % 8 : 0));
      if (kind == 4 && (x % 8 == 7 || x + 1 == raster.width))
        out.Number(std::exchange(packed, uint8_t{0}), 1);
    }
    if (kind < 4) out.Text("\n");
  }
  return out.out;
}

Encoded EncodeQoi(const Raster& raster) {
  Bytes out(true);
  out.Text("qoif");
  out.Number(static_cast<uint32_t>(raster.width), 4);
  out.Number(static_cast<uint32_t>(raster.height), 4);
  out.Number(static_cast<uint32_t>(raster.channels), 1);
  out.Number(0, 1);
  std::array<uint8_t, 4> last = {0, 0, 0, 255};
  std::array<std::array<uint8_t, 4>, 64> seen{};
  for (size_t i = 0; i < raster.samples.size(); i += static_cast<size_t>(raster.channels)) {
    const uint8_t* at = raster.samples.data() + i;
    const std::array<uint8_t, 4> pixel = {at[0], at[1], at[2], raster.channels == 4 ? at[3] : uint8_t{255}};
    const size_t place = (pixel[0] * 3U + pixel[1] * 5U + pixel[2] * 7U + pixel[3] * 11U) % 64;
    const int dr = static_cast<int8_t>(pixel[0] - last[0]);
    const int dg = static_cast<int8_t>(pixel[1] - last[1]);
    const int db = static_cast<int8_t>(pixel[2] - last[2]);
    const auto within = [](int v, int low, int high) { return v >= low && v <= high; };
    if (pixel == last) {
      out.Number(0xC0, 1);
    } else if (seen.at(place) == pixel) {
      out.Number(place, 1);
    } else if (pixel[3] != last[3]) {
      out.Number(0xFF, 1);
      out.Add(pixel);
    } else if (within(dr, -2, 1) && within(dg, -2, 1) && within(db, -2, 1)) {
      out.Number(static_cast<uint64_t>(0x40 | (dr + 2) << 4 | (dg + 2) << 2 | (db + 2)), 1);
    } else if (within(dg, -32, 31) && within(dr - dg, -8, 7) && within(db - dg, -8, 7)) {
      out.Number(static_cast<uint64_t>(0x80 | (dg + 32)), 1);
      out.Number(static_cast<uint64_t>((dr - dg + 8) << 4 | (db - dg + 8)), 1);
    } else {
      out.Number(0xFE, 1);
      out.Add(std::span(pixel).first(3));
    }
    seen.at(place) = last = pixel;
  }
  out.Number(1, 8);
  return out.out;
}

Encoded EncodeIco(const Raster& raster) {
  Encoded bmp = EncodeBmp(raster, 32);
  Encoded dib(bmp.begin() + 14, bmp.end());
  const auto twice = static_cast<uint16_t>(2 * raster.height);
  dib[8] = static_cast<uint8_t>(twice);
  dib[9] = static_cast<uint8_t>(twice >> 8);
  dib.resize(dib.size() + static_cast<size_t>((raster.width + 31) / 32 * 4 * raster.height));  // the mask
  return WrapIco({dib}, {raster.width}, 32);
}

Encoded WrapIco(const std::vector<Encoded>& pictures, const std::vector<int>& sides, int bits) {
  Bytes out;
  out.Number(0x10000, 4);
  out.Number(pictures.size(), 2);
  size_t at = 6 + 16 * pictures.size();
  for (size_t i = 0; i < pictures.size(); ++i) {
    out.Number(static_cast<uint8_t>(sides[i]), 1);
    out.Number(static_cast<uint8_t>(sides[i]), 1);
    out.Number(0, 2);
    out.Number(1, 2);
    out.Number(static_cast<uint32_t>(bits), 2);
    out.Number(pictures[i].size(), 4);
    out.Number(at, 4);
    at += pictures[i].size();
  }
  for (const Encoded& picture : pictures) out.Add(picture);
  return out.out;
}

}  // namespace photovec::test
