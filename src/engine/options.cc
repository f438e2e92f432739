// SPDX-License-Identifier: MIT
#include "engine/options.h"

namespace photovec::engine {

decode::DecodeOptions ToDecodeOptions(const EngineOptions& options) {
  decode::DecodeOptions decode;
  decode.jpeg_scaling =
      options.jpeg_scaling == "exact" ? decode::JpegScaling::kExact : decode::JpegScaling::kFast;
  decode.alpha = options.alpha == "white" ? decode::AlphaMode::kWhite : decode::AlphaMode::kDrop;
  decode.color = options.color == "srgb" ? decode::ColorMode::kSrgb : decode::ColorMode::kIgnore;
  decode.limits = options.limits;
  return decode;
}

}  // namespace photovec::engine
