// SPDX-License-Identifier: MIT
#include "decode/pixel_decoder.h"

namespace photovec::decode {

Status DecodePixels(const PixelRequest& request, CodecScratch* scratch, RgbImage* out) {
  switch (request.header->format) {
    case Format::kJpeg:
      return DecodeJpeg(request, scratch, out);
    case Format::kPng:
      return DecodePng(request, scratch, out);
    case Format::kWebp:
      return DecodeWebp(request, scratch, out);
    case Format::kGif:
      return DecodeGif(request, scratch, out);
    case Format::kHeif:
    case Format::kAvif:
      return DecodeHeif(request, scratch, out);
    case Format::kUnknown:
      break;
  }
  return {Code::kInternal, "DecodePixels was called without a known format"};
}

}  // namespace photovec::decode
