// SPDX-License-Identifier: MIT
#include "decode/formats/tiff/samples.h"

#include <algorithm>
#include <cstring>

#include "decode/pixel_decoder.h"

namespace photovec::decode::tiff {
namespace {

template <typename T, typename ToByte>
void Convert(const uint8_t* in, size_t count, uint8_t* out, size_t step, ToByte to_byte) {
  for (size_t i = 0; i < count; ++i, out += step) {
    T value;
    std::memcpy(&value, in + i * sizeof(T), sizeof(T));
    *out = to_byte(value);
  }
}

uint8_t Scale16(uint16_t v) { return static_cast<uint8_t>((uint32_t{v} * 255 + 32767) / 65535); }
template <typename T>
uint8_t Clip(T v) {
  return static_cast<uint8_t>(v > 0 ? std::min<T>(v, 255) : 0);  // not a number: 0
}

void FewBits(const TiffFacts& tiff, const uint8_t* in, size_t count, uint8_t* out, size_t step) {
  const auto bits = static_cast<size_t>(tiff.bits);
  const size_t mask = (size_t{1} << bits) - 1;
  const size_t stretch = tiff.photometric == TiffColor::kPalette ? 1 : 255 / mask;
  for (size_t i = 0; i < count; ++i, out += step) {
    const size_t shift = 8 - bits - i * bits % 8;
    *out = static_cast<uint8_t>((in[i * bits / 8] >> shift & mask) * stretch);
  }
}

struct Pixel {
  uint8_t r, g, b;
};

/// As Pillow's cmyk2rgb.
Pixel FromCmyk(const uint8_t* in) {
  const uint32_t white = 255U - in[3];
  const auto one = [&](uint32_t ink) {
    const uint32_t product = ink * white + 128;
    const uint32_t taken = ((product >> 8) + product) >> 8;
    return static_cast<uint8_t>(white - std::min(white, taken));
  };
  return {one(in[0]), one(in[1]), one(in[2])};
}

/// As Pillow's "RGBa".
uint8_t WithoutAlpha(uint8_t c, uint8_t a) {
  if (a == 255) return c;
  return a == 0 ? uint8_t{0} : static_cast<uint8_t>(std::min(255, c * 255 / a));
}

}  // namespace

void ToBytes(const TiffFacts& tiff, const uint8_t* in, size_t count, uint8_t* out, size_t step) {
  const bool grey = ColorSamples(tiff) == 1;
  if (tiff.bits < 8) return FewBits(tiff, in, count, out, step);
  if (tiff.bits == 8) return Convert<uint8_t>(in, count, out, step, [](uint8_t v) { return v; });
  if (tiff.bits == 16 && tiff.sample_format == 2)
    return Convert<int16_t>(in, count, out, step, Clip<int16_t>);
  if (tiff.bits == 16 && grey) return Convert<uint16_t>(in, count, out, step, Scale16);
  if (tiff.bits == 16) {
    return Convert<uint16_t>(in, count, out, step, [](uint16_t v) { return static_cast<uint8_t>(v >> 8); });
  }
  if (tiff.sample_format == 3) return Convert<float>(in, count, out, step, Clip<float>);
  Convert<int32_t>(in, count, out, step, Clip<int32_t>);
}

void ToRgb(const TiffFacts& tiff, const Palette& palette, AlphaMode mode, const uint8_t* in, size_t width,
           uint8_t* out) {
  const auto samples = static_cast<size_t>(tiff.samples);
  const auto colors = static_cast<size_t>(ColorSamples(tiff));
  // Numbers that are clipped mean themselves, as Pillow takes them.
  const uint8_t invert =
      tiff.photometric == TiffColor::kWhiteIsZero && tiff.bits <= 16 && tiff.sample_format == 1 ? 255 : 0;
  for (size_t x = 0; x < width; ++x, in += samples, out += 3) {
    Pixel pixel{};
    switch (tiff.photometric) {
      case TiffColor::kPalette:
        pixel = {palette[in[0]][0], palette[in[0]][1], palette[in[0]][2]};
        break;
      case TiffColor::kCmyk:
        pixel = FromCmyk(in);
        break;
      case TiffColor::kRgb:
      case TiffColor::kYcbcr:
        pixel = {in[0], in[1], in[2]};
        break;
      default: {
        const auto grey = static_cast<uint8_t>(in[0] ^ invert);
        pixel = {grey, grey, grey};
      }
    }
    if (tiff.alpha != TiffAlpha::kNone) {
      const uint8_t a = in[colors];
      if (tiff.alpha == TiffAlpha::kAssociated) {
        pixel = {WithoutAlpha(pixel.r, a), WithoutAlpha(pixel.g, a), WithoutAlpha(pixel.b, a)};
      }
      if (mode == AlphaMode::kWhite)
        pixel = {OverWhite(pixel.r, a), OverWhite(pixel.g, a), OverWhite(pixel.b, a)};
    }
    out[0] = pixel.r;
    out[1] = pixel.g;
    out[2] = pixel.b;
  }
}

}  // namespace photovec::decode::tiff
