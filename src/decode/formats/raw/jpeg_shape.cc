// SPDX-License-Identifier: MIT
#include "decode/formats/raw/jpeg_shape.h"

#include <string_view>

#include "decode/byte_reader.h"

namespace photovec::decode {
namespace {

using namespace std::string_view_literals;

constexpr int kMaxSegments = 100;

}  // namespace

JpegShape ReadJpegShape(std::span<const uint8_t> bytes) {
  JpegShape shape;
  if (!HasAt(bytes, 0, "\xFF\xD8\xFF")) return shape;
  ByteReader reader(bytes);
  reader.Skip(2);
  bool framed = false;
  for (int i = 0; i < kMaxSegments; ++i) {
    const uint16_t marker = reader.U16Be();
    const uint16_t length = reader.U16Be();
    const auto segment = reader.Bytes(length < 2 ? 0 : length - 2U);
    if (reader.failed() || length < 2 || marker < 0xFFC0 || marker == 0xFFFF) return shape;
    if (marker == 0xFFDA) {
      shape.usable = framed;
      return shape;
    }
    if (marker == 0xFFE1 && shape.exif.empty() && HasAt(segment, 0, "Exif\0\0"sv))
      shape.exif = segment.subspan(6);
    const bool frame = marker <= 0xFFCF && marker != 0xFFC4 && marker != 0xFFC8 && marker != 0xFFCC;
    if (!frame) continue;
    ByteReader fields(segment);
    const int bits = fields.U8();
    shape.height = fields.U16Be();
    shape.width = fields.U16Be();
    const int components = fields.U8();
    framed = !framed && marker <= 0xFFC2 && bits == 8 && (components == 1 || components == 3) &&
             shape.width > 0 && shape.height > 0 && !fields.failed();
    if (!framed) return shape;  // a sensor's lossless JPEG, among others
  }
  return shape;
}

}  // namespace photovec::decode
