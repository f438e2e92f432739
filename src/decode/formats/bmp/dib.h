// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/image.h"
#include "base/result.h"
#include "decode/decoder.h"

/// Windows' and OS/2's device-independent bitmaps: what lies in a BMP behind its first 14 bytes, and in an
/// ICO. Source: https://learn.microsoft.com/en-us/windows/win32/gdi/bitmap-storage and, for what goes beyond,
/// Pillow.
namespace photovec::decode::bmp {

enum class Packing { kPlain, kRle8, kRle4 };

struct Dib {
  int width = 0;
  int height = 0;  ///< of an ICO's: twice the picture's
  bool top_down = false;
  int bits = 0;  ///< 1, 2, 4, 8 (palette), 16, 24 or 32
  Packing packing = Packing::kPlain;
  std::array<uint32_t, 4> masks{};  ///< red, green, blue, alpha, with 16 and 32 bits; no alpha: 0
  std::span<const uint8_t> palette;
  int palette_bytes = 4;  ///< of an entry: blue, green, red and perhaps nothing
  size_t data = 0;        ///< where its pixels begin in the file
};

/// The header at `at`.
/// \param data where the file says that pixels begin; 0: behind the palette.
/// Errors: kImageCorrupt, kUnsupportedFormat (JPEG or PNG inside, RLE24, Huffman).
Result<Dib> ReadDib(std::span<const uint8_t> file, size_t at, size_t data);

/// Its pixels, into an `out` that has the size of the picture.
/// \param name for messages: "BMP".
/// Errors: kImageCorrupt when data is missing.
Status DecodeDib(std::span<const uint8_t> file, const Dib& dib, AlphaMode alpha, const char* name,
                 RgbImage* out);

/// Bytes of a row of `width` pixels: a multiple of 4.
constexpr size_t RowBytes(int width, int bits) {
  return (static_cast<size_t>(width) * static_cast<size_t>(bits) + 31) / 32 * 4;
}

}  // namespace photovec::decode::bmp
