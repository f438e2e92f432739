// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

/// Encoded images made at test time, good and bad. Encoders of the real libraries; containers spliced by
/// hand. A failing encoder aborts: it is a bug of the test.
namespace photovec::test {

using Encoded = std::vector<uint8_t>;

/// Rows of interleaved samples, tight.
struct Raster {
  int width = 0;
  int height = 0;
  int channels = 3;
  std::vector<uint8_t> samples;
  const uint8_t* At(int x, int y) const {
    return samples.data() + (static_cast<size_t>(y) * static_cast<size_t>(width) + static_cast<size_t>(x)) *
                                static_cast<size_t>(channels);
  }
};

/// Gradients, an edge and some noise: compresses like a photo, and no two rows are alike.
Raster MakePhoto(int width, int height, int channels, uint32_t seed = 1);

struct JpegOptions {
  int quality = 85;
  int h_samp = 2;  ///< of the first component
  int v_samp = 2;
  bool progressive = false;
  bool sequential_multi_scan = false;  ///< one scan a component
  bool many_scans = false;             ///< a grey progressive file of 127 valid scans
  bool arithmetic = false;
  bool ycck = false;  ///< for 4 channels: YCCK, else CMYK
  int restart_rows = 0;
  int restart_mcus = 0;    ///< if there are no restart_rows
  bool optimized = false;  ///< Huffman tables made for the photo
};
Encoded EncodeJpeg(const Raster& raster, const JpegOptions& options = {});

struct PngOptions {
  int bit_depth = 8;
  int color_type = 2;
  bool interlaced = false;
  std::vector<uint8_t> palette;        ///< RGB triples, for colour type 3
  std::vector<uint8_t> palette_alpha;  ///< tRNS of colour type 3
  std::vector<uint16_t> key;           ///< tRNS of colour types 0 (one sample) and 2 (three)
};
/// \param rows packed as PNG packs them (16 bits host-endian), without filter bytes.
Encoded EncodePng(int width, int height, std::span<const uint8_t> rows, const PngOptions& options);

/// 3 or 4 channels.
Encoded EncodeWebp(const Raster& raster, bool lossless);
/// An animation of `count` equal frames at (x, y), both even, on a canvas.
Encoded AnimateWebp(const Encoded& still, int canvas_width, int canvas_height, int x, int y, int count);

struct GifOptions {
  int canvas_width = 0;  ///< 0: the frame's
  int canvas_height = 0;
  int x = 0;
  int y = 0;
  bool interlaced = false;
  int transparent = -1;
  bool local_palette = false;
  int frames = 1;
  int bits = 8;  ///< of the palette
};
/// One channel: palette indices.
Encoded EncodeGif(const Raster& indices, const GifOptions& options = {});
/// The palette that EncodeGif writes.
std::vector<uint8_t> GifPalette(int bits);

/// A TIFF structure with just the orientation tag.
Encoded ExifBlock(int orientation, bool little_endian = true);
/// Puts an EXIF block into a file of any of the four formats but GIF.
Encoded JpegWithExif(const Encoded& jpeg, std::span<const uint8_t> exif);
Encoded PngWithExif(const Encoded& png, std::span<const uint8_t> exif);
Encoded WebpWithExif(const Encoded& still, int width, int height, std::span<const uint8_t> exif);

/// One PNG chunk with a right CRC.
Encoded PngChunk(std::string_view type, std::span<const uint8_t> data);
/// Inserts bytes at an offset.
Encoded Insert(const Encoded& file, size_t offset, std::span<const uint8_t> bytes);
/// The offset of the first byte sequence, or the size when there is none.
size_t Find(const Encoded& file, std::string_view bytes, size_t from = 0);

inline Encoded Cut(const Encoded& file, size_t size) {
  return {file.begin(), file.begin() + static_cast<ptrdiff_t>(size)};
}

}  // namespace photovec::test
