// SPDX-License-Identifier: MIT
#include "decode/pixel_decoder.h"

#include "decode/formats/formats.h"

namespace photovec::decode {

Status DecodePixels(const PixelRequest& request, CodecScratch* scratch, RgbImage* out) {
  if (const FormatEntry* entry = FindFormat(request.header->format)) {
    return entry->decode(request, scratch, out);
  }
  return {Code::kInternal, "DecodePixels was called without a known format"};
}

}  // namespace photovec::decode
