// SPDX-License-Identifier: MIT
#include "decode/color/inflate.h"

#include <zlib.h>

#include <algorithm>

namespace photovec::decode {
namespace {

constexpr size_t kFirstRoom = size_t{16} << 10;

}  // namespace

bool InflateBounded(std::span<const uint8_t> deflated, size_t limit, std::vector<uint8_t>* out) {
  z_stream stream{};
  if (inflateInit(&stream) != Z_OK) return false;
  stream.next_in = const_cast<Bytef*>(deflated.data());  // zlib's interface lacks const; it only reads
  stream.avail_in = static_cast<uInt>(deflated.size());
  out->resize(kFirstRoom);
  int code = Z_OK;
  while (code == Z_OK) {
    if (stream.total_out == out->size()) {
      if (out->size() > limit) break;  // one byte over is enough to know
      out->resize(std::min(out->size() * 4, limit + 1));
    }
    stream.next_out = out->data() + stream.total_out;
    stream.avail_out = static_cast<uInt>(out->size() - stream.total_out);
    code = inflate(&stream, Z_NO_FLUSH);  // Z_BUF_ERROR when the input is cut
  }
  const size_t size = stream.total_out;
  inflateEnd(&stream);
  out->resize(std::min(size, limit));
  return code == Z_STREAM_END && size > 0 && size <= limit;
}

}  // namespace photovec::decode
