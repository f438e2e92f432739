// SPDX-License-Identifier: MIT
#include <zlib.h>

#include <algorithm>

#include "decode/byte_reader.h"
#include "decode/color/icc_profile.h"
#include "decode/color/inflate.h"

namespace photovec::decode {
namespace {

bool CrcFits(std::span<const uint8_t> type_and_data, uint32_t crc) {
  return crc32(0, type_and_data.data(), static_cast<uInt>(type_and_data.size())) == crc;
}

/// \param data of an iCCP chunk: a name of 1 to 79 bytes, zero, the method (0: zlib), the deflated profile.
bool ReadIccp(std::span<const uint8_t> data, std::vector<uint8_t>* storage) {
  constexpr size_t kMaxName = 79;
  const auto name_end = std::find(data.begin(), data.end(), uint8_t{0});
  const auto name = static_cast<size_t>(name_end - data.begin());
  if (name < 1 || name > kMaxName || name + 2 > data.size() || data[name + 1] != 0) return false;
  return InflateBounded(data.subspan(name + 2), kMaxIccBytes, storage);
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
