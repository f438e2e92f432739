// SPDX-License-Identifier: MIT
#include "decode/formats/raw/signature.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>
#include <vector>

#include "decode/byte_reader.h"
#include "decode/formats/raw/tiff_walk.h"

namespace photovec::decode {
namespace {

using namespace std::string_view_literals;

struct Signature {
  size_t offset;
  std::string_view text;
};

constexpr std::array kSignatures = {
    Signature{0, "IIRO"sv},             // Olympus ORF
    Signature{0, "IIRS"sv},             // Olympus ORF
    Signature{0, "MMOR"sv},             // Olympus ORF
    Signature{0, "IIU\0"sv},            // Panasonic RW2
    Signature{0, "FUJIFILMCCD-RAW"sv},  // Fujifilm RAF
    Signature{4, "ftypcrx "sv},         // Canon CR3
    Signature{8, "CR\x02"sv},           // Canon CR2, behind the head of a TIFF
};

/// Of a TIFF: it has a picture of a sensor's numbers, or calls itself a DNG.
bool HasSensor(std::span<const uint8_t> tiff) {
  const std::vector<TiffDirectory> directories = WalkTiff(tiff);
  return std::any_of(directories.begin(), directories.end(),
                     [](const TiffDirectory& directory) { return directory.dng || directory.IsSensor(); });
}

}  // namespace

bool IsCameraRaw(std::span<const uint8_t> encoded) {
  return std::any_of(kSignatures.begin(), kSignatures.end(),
                     [&](const Signature& one) { return HasAt(encoded, one.offset, one.text); }) ||
         HasSensor(encoded);
}

}  // namespace photovec::decode
