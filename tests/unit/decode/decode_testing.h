// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <span>

#include "base/image.h"
#include "base/result.h"
#include "decode/decoder.h"
#include "decode/header_probe.h"
#include "decode/limits.h"
#include "decode/pixel_decoder.h"
#include "testing/test_images.h"

namespace photovec::test {

/// Probe, limits and pixels, as the decoder does them; no preprocessing.
inline Result<decode::ImageHeader> DecodeAll(std::span<const uint8_t> encoded, RgbImage* out,
                                             decode::AlphaMode alpha = decode::AlphaMode::kDrop,
                                             int scale_denominator = 1, const decode::Limits& limits = {}) {
  if (Status status = decode::CheckFileSize(encoded.size(), limits); !status.ok()) return status;
  Result<decode::ImageHeader> header = decode::ProbeHeader(encoded);
  if (!header.ok()) return header;
  if (Status status = decode::CheckHeader(*header, scale_denominator, alpha, limits); !status.ok())
    return status;
  decode::PixelRequest request;
  request.encoded = encoded;
  request.header = &header.value();
  request.alpha = alpha;
  request.scale_denominator = scale_denominator;
  request.limits = limits;
  decode::CodecScratch scratch;
  if (Status status = decode::DecodePixels(request, &scratch, out); !status.ok()) return status;
  return header;
}

/// Peak signal-to-noise ratio in dB of the overlap of the decoded image with an RGB raster of the same size.
inline double Psnr(const RgbImage& image, const Raster& raster) {
  double squares = 0;
  const RgbView view = image.view();
  for (int y = 0; y < raster.height; ++y) {
    for (int x = 0; x < raster.width; ++x) {
      for (int c = 0; c < 3; ++c) {
        const int got = view.Row(y)[3 * x + c];
        const int want = raster.At(x, y)[raster.channels == 1 ? 0 : c];
        squares += (got - want) * (got - want);
      }
    }
  }
  return 10.0 * std::log10(255.0 * 255.0 * raster.width * raster.height * 3 / (squares + 1e-9));
}

inline std::vector<uint8_t> Pixel(const RgbImage& image, int x, int y) {
  const uint8_t* at = image.view().Row(y) + static_cast<ptrdiff_t>(3) * x;
  return {at[0], at[1], at[2]};
}

}  // namespace photovec::test
