// SPDX-License-Identifier: MIT
#include "decode/pixel_decoder.h"

#include <string>

#include "decode/formats/formats.h"

namespace photovec::decode {

Status DecodePixels(const PixelRequest& request, CodecScratch* scratch, RgbImage* out) {
  if (const FormatEntry* entry = FindFormat(request.header->format)) {
    return entry->decode(request, scratch, out);
  }
  return {Code::kInternal, "DecodePixels was called without a known format"};
}

Status JudgeDamage(const PixelRequest& request, int sound_rows, const Status& error, CodecScratch* scratch) {
  const bool enough = sound_rows >= 1 && sound_rows * int64_t{2} >= request.header->height;
  const bool tolerant = request.damaged == DamagedMode::kTolerant;
  if (enough && tolerant) {
    scratch->damaged_after_rows = sound_rows;
    return Status::Ok();
  }
  if (!enough && !tolerant) return error;
  const std::string rows =
      "; " + std::to_string(sound_rows) + " of " + std::to_string(request.header->height) + " rows are sound";
  return {error.code(),
          error.message() + rows +
              (enough ? ": --damaged=tolerant reads it" : ", and --damaged=tolerant asks for half of them")};
}

}  // namespace photovec::decode
