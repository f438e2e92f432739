// SPDX-License-Identifier: MIT
#include <algorithm>
#include <string_view>

#include "fuzz/fuzz_target.h"
#include "testing/test_images.h"

namespace photovec::fuzz {

void FuzzOne(const uint8_t* data, size_t size) { DecodeEveryWay(data, size); }

/// Rewrites the CRC of every chunk that lies within the file.
void Repair(std::vector<uint8_t>* file) {
  size_t at = 8;
  while (at + 12 <= file->size()) {
    const size_t length = static_cast<size_t>((*file)[at]) << 24 |
                          static_cast<size_t>((*file)[at + 1]) << 16 |
                          static_cast<size_t>((*file)[at + 2]) << 8 | (*file)[at + 3];
    if (length > file->size() - at - 12) return;
    const std::string_view type(reinterpret_cast<const char*>(file->data() + at + 4), 4);
    const test::Encoded chunk = test::PngChunk(type, std::span(*file).subspan(at + 8, length));
    std::copy(chunk.begin(), chunk.end(), file->begin() + static_cast<ptrdiff_t>(at));
    at += length + 12;
  }
}

std::vector<std::vector<uint8_t>> Seeds() {
  std::vector<std::vector<uint8_t>> seeds;
  struct Shape {
    int depth;
    int color_type;
    int samples;
  };
  for (const Shape& shape : {Shape{1, 0, 1},
                             {4, 0, 1},
                             {8, 0, 1},
                             {16, 0, 1},
                             {8, 2, 3},
                             {16, 2, 3},
                             {2, 3, 1},
                             {8, 3, 1},
                             {8, 4, 2},
                             {16, 6, 4}}) {
    for (const bool interlaced : {false, true}) {
      test::PngOptions options;
      options.bit_depth = shape.depth;
      options.color_type = shape.color_type;
      options.interlaced = interlaced;
      if (shape.color_type == 3) {
        options.palette = {1, 2, 3, 40, 50, 60, 70, 80, 90};
        options.palette_alpha = {0, 100};
      }
      if (shape.color_type == 0) options.key = {1};
      if (shape.color_type == 2) options.key = {1, 2, 3};
      const int row_bytes = (21 * shape.samples * shape.depth + 7) / 8;
      seeds.push_back(test::EncodePng(21, 13, test::MakePhoto(row_bytes, 13, 1).samples, options));
    }
  }
  seeds.push_back(test::PngWithExif(seeds.front(), test::ExifBlock(5)));
  const std::vector<uint8_t> text = {'k', 0, 't'};
  seeds.push_back(test::Insert(seeds.front(), 33, test::PngChunk("tEXt", text)));
  return seeds;
}

}  // namespace photovec::fuzz
