// SPDX-License-Identifier: MIT
// Cameras' raw files: their directories and boxes, the choice of a preview, and its decoding as a JPEG.
#include "decode/formats/raw/preview.h"
#include "decode/formats/raw/signature.h"
#include "fuzz/fuzz_target.h"
#include "testing/raw_builder.h"

namespace photovec::fuzz {

void FuzzOne(const uint8_t* data, size_t size) {
  const std::span<const uint8_t> file(data, size);
  const Result<decode::RawPreview> preview = decode::FindRawPreview(file);
  if (preview.ok()) {
    Check(preview->orientation >= 1 && preview->orientation <= 8, "orientations are 1 to 8");
    Check(preview->shape.ShortSide() >= decode::kMinRawPreviewSide, "thumbnails are refused");
    Check(preview->jpeg.data() >= data && preview->jpeg.data() + preview->jpeg.size() <= data + size,
          "the preview lies in the file");
  }
  if (decode::IsCameraRaw(file)) DecodeEveryWay(data, size);
}
void Repair(std::vector<uint8_t>* /*file*/) {}

std::vector<std::vector<uint8_t>> Seeds() {
  const test::Encoded small = test::EncodeJpeg(test::MakePhoto(40, 31, 3));
  const test::Encoded preview =
      test::JpegWithExif(test::EncodeJpeg(test::MakePhoto(260, 256, 1)), test::ExifBlock(6));
  std::vector<std::vector<uint8_t>> seeds = {test::MakeRaf(preview), test::MakeCr3(preview, 8, small)};
  for (const test::RawPlace place :
       {test::RawPlace::kStrip, test::RawPlace::kSubIfd, test::RawPlace::kSubIfdStrip, test::RawPlace::kFirst,
        test::RawPlace::kChained, test::RawPlace::kJpgFromRaw, test::RawPlace::kUnnamed}) {
    test::RawOptions options;
    options.place = place;
    options.little_endian = seeds.size() % 2 == 0;
    options.magic = place == test::RawPlace::kJpgFromRaw ? 0x55
                    : place == test::RawPlace::kUnnamed  ? 0x4F52
                                                         : 42;
    options.dng = place == test::RawPlace::kSubIfdStrip;
    options.cr2 = place == test::RawPlace::kStrip;
    options.orientation = 6;
    options.thumbnail = small;
    options.sensor = test::Encoded(300, 0xFF);
    seeds.push_back(test::MakeRaw(preview, options));
  }
  return seeds;
}

}  // namespace photovec::fuzz
