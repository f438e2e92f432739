// SPDX-License-Identifier: MIT
// photovec's own reading of the first directory, and libtiff behind it, opened in this process.
#include "decode/formats/libraries.h"
#include "decode/sniff.h"
#include "fuzz/fuzz_target.h"
#include "testing/test_images_simple.h"

namespace photovec::fuzz {

void FuzzOne(const uint8_t* data, size_t size) {
  decode::EnableLibraries();
  // What a mutation turns into another library's file is that library's target.
  const decode::Format format = decode::Sniff({data, size});
  if (format == decode::Format::kTiff || format == decode::Format::kUnknown) DecodeEveryWay(data, size);
}
void Repair(std::vector<uint8_t>* /*file*/) {}

std::vector<std::vector<uint8_t>> Seeds() {
  std::vector<std::vector<uint8_t>> seeds;
  for (int i = 0; i < 32; ++i) {
    test::TiffOptions options;
    options.big_endian = (i & 1) != 0;
    options.big_tiff = (i & 2) != 0;
    options.packbits = (i & 4) != 0;
    options.planar = (i & 8) != 0;
    options.tile = (i & 16) != 0 ? 16 : 0;
    options.orientation = 1 + i % 8;
    options.extra_sample = i % 3;
    const int channels = i % 5 == 0 ? 1 : i % 3 == 0 ? 4 : 3;
    if (channels == 3 && i % 7 == 0) options.photometric = 6;
    if (channels == 4 && i % 2 == 0) options.photometric = 5;
    seeds.push_back(test::EncodeTiff(test::MakePhoto(25, 19, channels), options));
  }
  return seeds;
}

}  // namespace photovec::fuzz
