// SPDX-License-Identifier: MIT
#include "fuzz/fuzz_target.h"
#include "testing/test_images.h"

namespace photovec::fuzz {

void FuzzOne(const uint8_t* data, size_t size) { DecodeEveryWay(data, size); }
void Repair(std::vector<uint8_t>* /*file*/) {}

std::vector<std::vector<uint8_t>> Seeds() {
  test::JpegOptions progressive;
  progressive.progressive = true;
  test::JpegOptions restarts;
  restarts.restart_rows = 1;
  restarts.v_samp = 1;
  test::JpegOptions scans;
  scans.sequential_multi_scan = true;
  test::JpegOptions many;
  many.many_scans = true;
  test::JpegOptions ycck;
  ycck.ycck = true;
  test::JpegOptions arithmetic;
  arithmetic.arithmetic = true;
  const test::Raster photo = test::MakePhoto(40, 31, 3);
  return {test::EncodeJpeg(photo),
          test::EncodeJpeg(photo, progressive),
          test::EncodeJpeg(photo, restarts),
          test::EncodeJpeg(photo, scans),
          test::EncodeJpeg(photo, arithmetic),
          test::EncodeJpeg(test::MakePhoto(17, 16, 1), many),
          test::EncodeJpeg(test::MakePhoto(17, 16, 4), ycck),
          test::EncodeJpeg(test::MakePhoto(9, 60, 4)),
          test::JpegWithExif(test::EncodeJpeg(test::MakePhoto(30, 20, 1)), test::ExifBlock(6))};
}

}  // namespace photovec::fuzz
