// SPDX-License-Identifier: MIT
#include "fuzz/fuzz_target.h"
#include "testing/test_images.h"

namespace photovec::fuzz {

void FuzzOne(const uint8_t* data, size_t size) { DecodeEveryWay(data, size); }
void Repair(std::vector<uint8_t>* /*file*/) {}

std::vector<std::vector<uint8_t>> Seeds() {
  std::vector<std::vector<uint8_t>> seeds;
  for (const int bits : {1, 4, 8}) {
    for (const bool interlaced : {false, true}) {
      test::GifOptions options;
      options.bits = bits;
      options.interlaced = interlaced;
      options.local_palette = bits == 4;
      options.transparent = interlaced ? 1 : -1;
      options.frames = 2;
      options.canvas_width = 30;
      options.canvas_height = 50;
      options.x = 3;
      options.y = 5;
      test::Raster indices = test::MakePhoto(25, 33, 1);
      for (uint8_t& index : indices.samples) index = static_cast<uint8_t>(index >> (8 - bits));
      seeds.push_back(test::EncodeGif(indices, options));
    }
  }
  return seeds;
}

}  // namespace photovec::fuzz
