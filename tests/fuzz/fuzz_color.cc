// SPDX-License-Identifier: MIT
// An ICC profile on its way through lcms2.
#include <cstring>

#include "decode/color/transform.h"
#include "fuzz/fuzz_target.h"
#include "testing/test_images_icc.h"

namespace photovec::fuzz {
namespace {

constexpr int kSide = 4;

RgbImage Pixels() {
  RgbImage image;
  image.Reset(kSide, kSide);
  for (int i = 0; i < kSide * kSide * 3; ++i) image.data()[i] = static_cast<uint8_t>(i * 37);
  return image;
}

}  // namespace

void FuzzOne(const uint8_t* data, size_t size) {
  static const size_t kBytes = Pixels().stride() * kSide;
  // lcms2 refused memory somewhere on its way.
  decode::ColorConverter poor(size == 0 ? 0 : size_t{1024} * (data[size - 1] + 1));
  RgbImage any = Pixels();
  poor.ConvertWith({data, size}, false, {}, &any);
  for (const bool grey : {false, true}) {
    RgbImage first = Pixels();
    RgbImage second = Pixels();
    const RgbImage untouched = Pixels();
    decode::ColorConverter converter;
    decode::ColorConverter other;
    const decode::ProfileUse use = converter.ConvertWith({data, size}, grey, {}, &first);
    Check(use == other.ConvertWith({data, size}, grey, {}, &second), "the same profile has the same use");
    Check(std::memcmp(first.data(), second.data(), kBytes) == 0, "the same profile gives the same pixels");
    const bool same = std::memcmp(first.data(), untouched.view().data, kBytes) == 0;
    Check(same || use == decode::ProfileUse::kConverted, "pixels change only when it says so");
    decode::PixelWindow none;
    none.end_row = 0;
    RgbImage kept = Pixels();
    Check(use == converter.ConvertWith({data, size}, grey, none, &kept), "a kept transform has the same use");
    Check(std::memcmp(kept.data(), untouched.view().data, kBytes) == 0, "the window is respected");
  }
}

/// The header's size and signature, which every reader looks at first.
void Repair(std::vector<uint8_t>* file) {
  if (file->size() < 132) return;
  for (size_t i = 0; i < 4; ++i) (*file)[i] = static_cast<uint8_t>(file->size() >> (24 - 8 * i));
  std::memcpy(file->data() + 36, "acsp", 4);
}

std::vector<std::vector<uint8_t>> Seeds() {
  std::vector<std::vector<uint8_t>> seeds;
  for (const test::IccKind kind :
       {test::IccKind::kSrgb, test::IccKind::kDisplayP3, test::IccKind::kAdobeRgb, test::IccKind::kProPhoto,
        test::IccKind::kTable, test::IccKind::kMultiStage, test::IccKind::kGrey, test::IccKind::kCmyk}) {
    seeds.push_back(test::MakeIcc(kind));
  }
  return seeds;
}

}  // namespace photovec::fuzz
