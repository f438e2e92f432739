// SPDX-License-Identifier: MIT
#include <zlib.h>

#include <algorithm>

#include "decode/byte_reader.h"
#include "decode/color/icc_profile.h"

namespace photovec::decode {
namespace {

constexpr size_t kFirstRoom = size_t{16} << 10;

/// Inflates all of `deflated` unless it is longer than kMaxIccBytes, which costs that much memory and time
/// and no more. \return whether it came to its end, checksum included.
bool Inflate(std::span<const uint8_t> deflated, std::vector<uint8_t>* out) {
  z_stream stream{};
  if (inflateInit(&stream) != Z_OK) return false;
  stream.next_in = const_cast<Bytef*>(deflated.data());  // zlib's interface lacks const; it only reads
  stream.avail_in = static_cast<uInt>(deflated.size());
  out->resize(kFirstRoom);
  int code = Z_OK;
  while (code == Z_OK) {
    if (stream.total_out == out->size()) {
      if (out->size() > kMaxIccBytes) break;  // one byte over is enough to know
      out->resize(std::min(out->size() * 4, kMaxIccBytes + 1));
    }
    stream.next_out = out->data() + stream.total_out;
    stream.avail_out = static_cast<uInt>(out->size() - stream.total_out);
    code = inflate(&stream, Z_NO_FLUSH);  // Z_BUF_ERROR when the input is cut
  }
  const size_t size = stream.total_out;
  inflateEnd(&stream);
  out->resize(std::min(size, kMaxIccBytes));
  return code == Z_STREAM_END && size > 0 && size <= kMaxIccBytes;
}

bool CrcFits(std::span<const uint8_t> type_and_data, uint32_t crc) {
  return crc32(0, type_and_data.data(), static_cast<uInt>(type_and_data.size())) == crc;
}

/// \param data of an iCCP chunk: a name of 1 to 79 bytes, zero, the method (0: zlib), the deflated profile.
bool ReadIccp(std::span<const uint8_t> data, std::vector<uint8_t>* storage) {
  constexpr size_t kMaxName = 79;
  const auto name_end = std::find(data.begin(), data.end(), uint8_t{0});
  const auto name = static_cast<size_t>(name_end - data.begin());
  if (name < 1 || name > kMaxName || name + 2 > data.size() || data[name + 1] != 0) return false;
  return Inflate(data.subspan(name + 2), storage);
}

}  // namespace

EmbeddedIcc FindPngIcc(std::span<const uint8_t> encoded, std::vector<uint8_t>* storage) {
  EmbeddedIcc icc;
  std::span<const uint8_t> iccp;
  bool fits = false;
  ByteReader reader(encoded);
  reader.Skip(8);
  while (reader.remaining() >= 12) {
    const size_t begin = reader.offset() + 4;
    const size_t length = reader.U32Be();
    const auto type = reader.Bytes(4);
    const auto data = reader.Bytes(length);
    const uint32_t crc = reader.U32Be();
    if (reader.failed() || HasAt(type, 0, "IDAT") || HasAt(type, 0, "IEND")) break;
    if (HasAt(type, 0, "sRGB")) return {};
    if (!HasAt(type, 0, "iCCP") || icc.found) continue;
    icc.found = true;
    iccp = data;
    fits = CrcFits(encoded.subspan(begin, 4 + length), crc);
  }
  if (fits && ReadIccp(iccp, storage)) icc.bytes = *storage;
  return icc;
}

}  // namespace photovec::decode
