// SPDX-License-Identifier: MIT
#include "testing/test_images.h"

#include <webp/decode.h>
#include <webp/encode.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "testing/test_images_internal.h"

namespace photovec::test {

void Require(bool fine, const char* what) {
  if (fine) return;
  std::fprintf(stderr, "test image encoder failed: %s\n", what);
  std::abort();
}

Raster MakePhoto(int width, int height, int channels, uint32_t seed) {
  Raster raster{width, height, channels, {}};
  raster.samples.reserve(static_cast<size_t>(width) * static_cast<size_t>(height) *
                         static_cast<size_t>(channels));
  uint32_t noise = seed * 2654435761U + 1;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < channels; ++c) {
        noise = noise * 1664525U + 1013904223U;
        const int ramp = 40 + 150 * (c % 2 == 0 ? x : y) / std::max(c % 2 == 0 ? width : height, 1);
        const int edge = (x + 2 * y) / 37 % 2 == 0 ? 0 : 30;
        raster.samples.push_back(static_cast<uint8_t>(ramp + edge + 7 * c + static_cast<int>(noise >> 28)));
      }
    }
  }
  return raster;
}

Encoded EncodeWebp(const Raster& raster, bool lossless) {
  const int stride = raster.width * raster.channels;
  const uint8_t* data = raster.samples.data();
  uint8_t* output = nullptr;
  size_t size = 0;
  if (raster.channels == 4) {
    size = lossless ? WebPEncodeLosslessRGBA(data, raster.width, raster.height, stride, &output)
                    : WebPEncodeRGBA(data, raster.width, raster.height, stride, 85, &output);
  } else {
    size = lossless ? WebPEncodeLosslessRGB(data, raster.width, raster.height, stride, &output)
                    : WebPEncodeRGB(data, raster.width, raster.height, stride, 85, &output);
  }
  Require(size > 0, "webp");
  Encoded encoded(output, output + size);
  WebPFree(output);
  return encoded;
}

namespace {

void PutLe(Encoded* out, uint32_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out->push_back(static_cast<uint8_t>(value >> (8 * i)));
}
void PutText(Encoded* out, std::string_view text) { out->insert(out->end(), text.begin(), text.end()); }

void PutRiffChunk(Encoded* out, std::string_view type, std::span<const uint8_t> data) {
  PutText(out, type);
  PutLe(out, static_cast<uint32_t>(data.size()), 4);
  out->insert(out->end(), data.begin(), data.end());
  if (data.size() % 2 == 1) out->push_back(0);
}

Encoded Riff(const Encoded& chunks) {
  Encoded out;
  PutText(&out, "RIFF");
  PutLe(&out, static_cast<uint32_t>(chunks.size() + 4), 4);
  PutText(&out, "WEBP");
  out.insert(out.end(), chunks.begin(), chunks.end());
  return out;
}

/// The image chunks (ALPH, VP8, VP8L) of a still file, without a VP8X chunk. Tells whether there was alpha.
Encoded ImageChunks(const Encoded& still, bool* alpha) {
  const bool extended = std::memcmp(still.data() + 12, "VP8X", 4) == 0;
  *alpha = extended ? (still[20] & 0x10) != 0 : std::memcmp(still.data() + 12, "VP8L", 4) == 0;
  return {still.begin() + (extended ? 30 : 12), still.end()};
}

Encoded Vp8x(uint32_t flags, int width, int height) {
  Encoded data;
  PutLe(&data, flags, 4);
  PutLe(&data, static_cast<uint32_t>(width - 1), 3);
  PutLe(&data, static_cast<uint32_t>(height - 1), 3);
  Encoded chunk;
  PutRiffChunk(&chunk, "VP8X", data);
  return chunk;
}

}  // namespace

Encoded AnimateWebp(const Encoded& still, int canvas_width, int canvas_height, int x, int y, int count) {
  int width = 0;
  int height = 0;
  Require(WebPGetInfo(still.data(), still.size(), &width, &height) != 0, "webp info");
  bool alpha = false;
  const Encoded image = ImageChunks(still, &alpha);
  Encoded chunks = Vp8x(alpha ? 0x12 : 0x02, canvas_width, canvas_height);
  const std::array<uint8_t, 6> anim = {};
  PutRiffChunk(&chunks, "ANIM", anim);
  Encoded frame;
  PutLe(&frame, static_cast<uint32_t>(x / 2), 3);
  PutLe(&frame, static_cast<uint32_t>(y / 2), 3);
  PutLe(&frame, static_cast<uint32_t>(width - 1), 3);
  PutLe(&frame, static_cast<uint32_t>(height - 1), 3);
  PutLe(&frame, 100, 3);  // ms
  PutLe(&frame, 0, 1);
  frame.insert(frame.end(), image.begin(), image.end());
  for (int i = 0; i < count; ++i) PutRiffChunk(&chunks, "ANMF", frame);
  return Riff(chunks);
}

Encoded WebpWithExif(const Encoded& still, int width, int height, std::span<const uint8_t> exif) {
  bool alpha = false;
  const Encoded image = ImageChunks(still, &alpha);
  Encoded chunks = Vp8x(alpha ? 0x18 : 0x08, width, height);
  chunks.insert(chunks.end(), image.begin(), image.end());
  PutRiffChunk(&chunks, "EXIF", exif);
  return Riff(chunks);
}

Encoded ExifBlock(int orientation, bool little_endian) {
  const std::array<uint8_t, 26> little = {
      'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, static_cast<uint8_t>(orientation),
      0,   0,   0,  0, 0, 0, 0};
  const std::array<uint8_t, 26> big = {'M',  'M',  0, 42, 0, 0, 0, 8, 0, 1,
                                       0x01, 0x12, 0, 3,  0, 0, 0, 1, 0, static_cast<uint8_t>(orientation),
                                       0,    0,    0, 0,  0, 0};
  return little_endian ? Encoded(little.begin(), little.end()) : Encoded(big.begin(), big.end());
}

Encoded JpegWithExif(const Encoded& jpeg, std::span<const uint8_t> exif) {
  const size_t length = exif.size() + 8;
  Encoded segment = {0xFF, 0xE1, static_cast<uint8_t>(length >> 8), static_cast<uint8_t>(length)};
  PutText(&segment, std::string_view("Exif\0\0", 6));
  segment.insert(segment.end(), exif.begin(), exif.end());
  return Insert(jpeg, 2, segment);
}

Encoded PngWithExif(const Encoded& png, std::span<const uint8_t> exif) {
  return Insert(png, png.size() - 12, PngChunk("eXIf", exif));
}

Encoded Insert(const Encoded& file, size_t offset, std::span<const uint8_t> bytes) {
  Encoded out(file);
  out.insert(out.begin() + static_cast<ptrdiff_t>(offset), bytes.begin(), bytes.end());
  return out;
}

size_t Find(const Encoded& file, std::string_view bytes, size_t from) {
  const auto found = std::search(file.begin() + static_cast<ptrdiff_t>(from), file.end(), bytes.begin(),
                                 bytes.end(), [](uint8_t a, char b) { return a == static_cast<uint8_t>(b); });
  return static_cast<size_t>(found - file.begin());
}

}  // namespace photovec::test
