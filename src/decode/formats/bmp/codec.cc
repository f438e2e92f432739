// SPDX-License-Identifier: MIT
#include "decode/byte_reader.h"
#include "decode/formats/bmp/dib.h"
#include "decode/formats/formats.h"

namespace photovec::decode {
namespace {

constexpr size_t kFileHeader = 14;

Result<bmp::Dib> ReadBmp(std::span<const uint8_t> encoded) {
  ByteReader reader(encoded);
  reader.Skip(10);
  const size_t data = reader.U32Le();
  return bmp::ReadDib(encoded, kFileHeader, data);
}

}  // namespace

Result<ImageHeader> ProbeBmp(std::span<const uint8_t> encoded) {
  ASSIGN_OR_RETURN(const bmp::Dib dib, ReadBmp(encoded));
  ImageHeader header;
  header.format = Format::kBmp;
  header.width = dib.width;
  header.height = dib.height;
  return header;
}

Status DecodeBmp(const PixelRequest& request, CodecScratch* /*scratch*/, RgbImage* out) {
  ASSIGN_OR_RETURN(const bmp::Dib dib, ReadBmp(request.encoded));
  out->Reset(dib.width, dib.height);
  return bmp::DecodeDib(request.encoded, dib, request.alpha, "BMP", out);
}

}  // namespace photovec::decode
