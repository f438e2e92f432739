// SPDX-License-Identifier: MIT
#include "decode/header_probe.h"
#include "fuzz/fuzz_target.h"
#include "testing/test_images.h"

namespace photovec::fuzz {

void FuzzOne(const uint8_t* data, size_t size) {
  const int orientation = decode::ExifOrientation({data, size});
  Check(orientation >= 1 && orientation <= 8, "orientations are 1 to 8");
  // What lies behind the block is not the parser's business.
  std::vector<uint8_t> longer(data, data + size);
  longer.resize(size + 64, 0xFF);
  Check(decode::ExifOrientation(std::span(longer).first(size)) == orientation,
        "the same bytes give the same orientation");
}
void Repair(std::vector<uint8_t>* /*file*/) {}

std::vector<std::vector<uint8_t>> Seeds() {
  std::vector<std::vector<uint8_t>> seeds;
  for (const bool little : {false, true}) {
    for (const int orientation : {1, 6, 8, 9}) {
      seeds.push_back(test::ExifBlock(orientation, little));
      const std::vector<uint8_t> prefix = {'E', 'x', 'i', 'f', 0, 0};
      seeds.push_back(test::Insert(seeds.back(), 0, prefix));
    }
  }
  return seeds;
}

}  // namespace photovec::fuzz
