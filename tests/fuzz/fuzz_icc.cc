// SPDX-License-Identifier: MIT
// ICC profiles inside JPEG, PNG and WebP: the way out of the container. What is in them: fuzz_color.cc.
#include <zlib.h>

#include <cstring>

#include "decode/color/icc_profile.h"
#include "fuzz/fuzz_target.h"
#include "testing/test_images_icc.h"

namespace photovec::fuzz {

void FuzzOne(const uint8_t* data, size_t size) {
  const std::span<const uint8_t> encoded(data, size);
  std::vector<uint8_t> storage;
  std::vector<uint8_t> used(1000, 0xFF);
  for (const decode::Format format :
       {decode::Format::kJpeg, decode::Format::kPng, decode::Format::kWebp, decode::Format::kGif}) {
    decode::ImageHeader header;
    header.format = format;
    const decode::EmbeddedIcc icc = decode::FindIcc(encoded, header, &storage);
    Check(icc.found || icc.bytes.empty(), "only what is found has bytes");
    Check(icc.bytes.size() <= decode::kMaxIccBytes, "profiles are bounded");
    Check(storage.capacity() <= 2 * decode::kMaxIccBytes, "memory is bounded");
    const decode::EmbeddedIcc again = decode::FindIcc(encoded, header, &used);
    Check(again.found == icc.found && again.bytes.size() == icc.bytes.size() &&
              (icc.bytes.empty() || std::memcmp(again.bytes.data(), icc.bytes.data(), icc.bytes.size()) == 0),
          "the same bytes give the same profile");
    uint32_t sum = 0;  // every byte can be read
    for (const uint8_t byte : icc.bytes) sum += byte;
    Check(sum <= 255U * icc.bytes.size(), "bytes are bytes");
  }
}

/// Checksums of the PNG's chunks and the size of the WebP.
void Repair(std::vector<uint8_t>* file) {
  if (file->size() > 12 && std::memcmp(file->data(), "RIFF", 4) == 0) {
    const size_t riff_size = file->size() - 8;
    for (size_t i = 0; i < 4; ++i) (*file)[4 + i] = static_cast<uint8_t>(riff_size >> (8 * i));
    return;
  }
  if (file->size() < 8 || (*file)[0] != 0x89) return;
  size_t at = 8;
  while (at + 12 <= file->size()) {
    size_t length = 0;
    for (size_t i = 0; i < 4; ++i) length = length << 8 | (*file)[at + i];
    if (length > file->size() - at - 12) return;
    const auto crc = crc32(0, file->data() + at + 4, static_cast<uInt>(length + 4));
    for (size_t i = 0; i < 4; ++i) (*file)[at + 8 + length + i] = static_cast<uint8_t>(crc >> (24 - 8 * i));
    at += length + 12;
  }
}

std::vector<std::vector<uint8_t>> Seeds() {
  const test::Encoded profile = test::MakeIcc(test::IccKind::kDisplayP3);
  const test::Raster photo = test::MakePhoto(8, 8, 3);
  const test::Encoded jpeg = test::EncodeJpeg(photo);
  const test::Encoded png = test::EncodePng(8, 8, photo.samples, {});
  const test::Encoded with = test::PngWithIcc(png, profile);
  const test::Encoded intent = {0};
  return {test::JpegWithIcc(jpeg, profile),
          test::JpegWithIcc(jpeg, profile, 3, {2, 3, 1}),
          test::JpegWithIcc(jpeg, profile, 3, {1, 2}),
          with,
          test::Insert(with, 33, test::PngChunk("sRGB", intent)),
          test::PngWithIcc(png, test::Encoded(100'000)),
          test::WebpWithIcc(test::EncodeWebp(photo, false), 8, 8, profile),
          test::WebpWithIcc(test::EncodeWebp(photo, true), 8, 8, profile)};
}

}  // namespace photovec::fuzz
