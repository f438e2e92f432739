// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstring>
#include <span>
#include <vector>

#include "base/image.h"
#include "decode/header_probe.h"
#include "decode/pixel_decoder.h"
#include "fuzz/fuzz_target.h"
#include "testing/test_images.h"

/// What the differential targets of the own JPEG decoder share.
namespace photovec::fuzz {

/// FNV-1a: scale, window and what else is chosen come from the input, so that each of them is as likely.
inline uint32_t HashOf(std::span<const uint8_t> encoded) {
  uint32_t hash = 2166136261U;
  for (const uint8_t byte : encoded) hash = (hash ^ byte) * 16777619U;
  return hash;
}

inline void CheckSamePixels(const RgbImage& a, const RgbImage& b, const decode::PixelWindow& window) {
  Check(a.width() == b.width() && a.height() == b.height(), "both decoders give the same size");
  const int first = std::clamp(window.first_column, 0, a.width());
  const int end = std::clamp(window.end_column, first, a.width());
  for (int y = window.first_row; y < std::min(a.height(), window.end_row); ++y) {
    const ptrdiff_t from = ptrdiff_t{3} * first;
    const auto bytes = static_cast<size_t>(end - first) * 3;
    Check(std::memcmp(a.view().Row(y) + from, b.view().Row(y) + from, bytes) == 0,
          "both decoders give the same pixels");
  }
}

/// Small photos of every sampling with short and long codes, with and without restarts.
inline std::vector<std::vector<uint8_t>> JpegSeeds(bool progressive) {
  std::vector<std::vector<uint8_t>> seeds;
  for (const auto& [channels, h, v] : {std::array{1, 1, 1}, {3, 1, 1}, {3, 2, 1}, {3, 1, 2}, {3, 2, 2}}) {
    test::JpegOptions options;
    options.h_samp = h;
    options.v_samp = v;
    options.progressive = progressive;
    const test::Raster photo = test::MakePhoto(37, 29, channels);
    seeds.push_back(test::EncodeJpeg(photo, options));
    options.restart_mcus = 4;
    options.quality = 97;
    options.optimized = true;
    seeds.push_back(test::EncodeJpeg(photo, options));
  }
  return seeds;
}

}  // namespace photovec::fuzz
