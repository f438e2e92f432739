// SPDX-License-Identifier: MIT
// photovec's own reading of boxes and main header, and OpenJPEG behind it, opened in this process.
#include "decode/formats/libraries.h"
#include "decode/header_probe.h"
#include "decode/sniff.h"
#include "fuzz/fuzz_target.h"
#include "testing/test_images_jxl.h"

namespace photovec::fuzz {

void FuzzOne(const uint8_t* data, size_t size) {
  decode::EnableLibraries();
  // What a mutation turns into another library's file is that library's target.
  const decode::Format format = decode::Sniff({data, size});
  if (format != decode::Format::kJpeg2000 && format != decode::Format::kUnknown) return;
  // Wavelets of megapixels, and layers by the ten thousand, would take all the time.
  const Result<decode::ImageHeader> header = decode::ProbeHeader({data, size});
  constexpr int64_t kMaxSamples = 1 << 17;
  constexpr int64_t kMaxTables = 1 << 19;
  const bool small =
      !header.ok() || (header->jpeg2000.samples <= kMaxSamples && header->jpeg2000.table_bytes <= kMaxTables);
  if (small) DecodeEveryWay(data, size);
}
void Repair(std::vector<uint8_t>* /*file*/) {}

std::vector<std::vector<uint8_t>> Seeds() {
  std::vector<std::vector<uint8_t>> seeds;
  for (int i = 0; i < 32; ++i) {
    test::J2kOptions options;
    options.boxes = (i & 1) != 0;
    options.reversible = (i & 2) != 0;
    options.tile = (i & 4) != 0 ? 16 : 0;
    options.precinct = (i & 8) != 0 ? 16 : 0;
    options.layers = 1 + i % 2;
    options.bits = i % 3 == 0 ? 12 : 8;
    options.block = 8;
    options.levels = 1 + i % 3;
    const int channels = 1 + i / 4 % 4;
    options.colors = channels == 3 && (i & 16) != 0 ? test::J2kColors::kYcc : test::J2kColors::kSrgb;
    options.chroma_step = options.colors == test::J2kColors::kYcc ? 2 : 1;
    options.alpha = channels % 2 == 0;
    seeds.push_back(test::EncodeJ2k(test::MakePhoto(25, 19, channels), options));
  }
  return seeds;
}

}  // namespace photovec::fuzz
