// SPDX-License-Identifier: MIT
// BMP, PNM, QOI and ICO: the small codecs of photovec's own.
#include "fuzz/fuzz_target.h"
#include "testing/test_images_simple.h"

namespace photovec::fuzz {

void FuzzOne(const uint8_t* data, size_t size) { DecodeEveryWay(data, size); }
/// None of them has a checksum.
void Repair(std::vector<uint8_t>* /*file*/) {}

std::vector<std::vector<uint8_t>> Seeds() {
  const test::Raster grey = test::MakePhoto(25, 17, 1);
  const test::Raster colour = test::MakePhoto(25, 17, 3);
  const test::Raster alpha = test::MakePhoto(25, 17, 4);
  std::vector<std::vector<uint8_t>> seeds = {
      test::EncodeBmp(grey, 8),   test::EncodeBmp(colour, 24, true),
      test::EncodeBmp(alpha, 32), test::EncodeRleBmp(grey),
      test::EncodeQoi(colour),    test::EncodeQoi(alpha),
      test::EncodeIco(alpha),     test::WrapIco({test::EncodePng(25, 17, colour.samples, {})}, {25}, 24)};
  for (int kind = 1; kind <= 7; ++kind) seeds.push_back(test::EncodePnm(kind % 3 == 0 ? colour : grey, kind));
  return seeds;
}

}  // namespace photovec::fuzz
