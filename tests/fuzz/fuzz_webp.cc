// SPDX-License-Identifier: MIT
#include "fuzz/fuzz_target.h"
#include "testing/test_images.h"

namespace photovec::fuzz {

void FuzzOne(const uint8_t* data, size_t size) { DecodeEveryWay(data, size); }

/// Keeps the RIFF size in step with the file, or the truncation check would stop most mutations.
void Repair(std::vector<uint8_t>* file) {
  if (file->size() < 12) return;
  const size_t riff_size = file->size() - 8;
  for (size_t i = 0; i < 4; ++i) (*file)[4 + i] = static_cast<uint8_t>(riff_size >> (8 * i));
}

std::vector<std::vector<uint8_t>> Seeds() {
  const test::Raster photo = test::MakePhoto(40, 31, 3);
  const test::Raster alpha = test::MakePhoto(22, 18, 4);
  const test::Encoded lossy = test::EncodeWebp(photo, false);
  const test::Encoded lossy_alpha = test::EncodeWebp(alpha, false);
  return {lossy,
          test::EncodeWebp(photo, true),
          lossy_alpha,
          test::EncodeWebp(alpha, true),
          test::AnimateWebp(lossy_alpha, 40, 40, 4, 2, 3),
          test::AnimateWebp(test::EncodeWebp(alpha, true), 30, 30, 0, 0, 2),
          test::WebpWithExif(lossy, 40, 31, test::ExifBlock(3))};
}

}  // namespace photovec::fuzz
