// SPDX-License-Identifier: MIT
// photovec's own reading of the image header, and libjxl behind it, opened in this process.
#include "decode/formats/libraries.h"
#include "decode/sniff.h"
#include "fuzz/fuzz_target.h"
#include "testing/test_images_jxl.h"

namespace photovec::fuzz {

void FuzzOne(const uint8_t* data, size_t size) {
  decode::EnableLibraries();
  // What a mutation turns into another library's file is that library's target.
  const decode::Format format = decode::Sniff({data, size});
  if (format == decode::Format::kJxl || format == decode::Format::kUnknown) DecodeEveryWay(data, size);
}
void Repair(std::vector<uint8_t>* /*file*/) {}

std::vector<std::vector<uint8_t>> Seeds() {
  std::vector<std::vector<uint8_t>> seeds;
  for (int i = 0; i < 16; ++i) {
    test::JxlOptions options;
    options.container = (i & 1) != 0;
    options.lossless = (i & 2) != 0;
    options.xyb = !options.lossless && (i & 4) != 0;
    options.bits = (i & 8) != 0 ? 16 : 8;
    options.orientation = 1 + i % 8;
    options.frames = 1 + i % 3;
    seeds.push_back(test::EncodeJxl(test::MakePhoto(25, 19, 1 + i % 4), options));
  }
  return seeds;
}

}  // namespace photovec::fuzz
