// SPDX-License-Identifier: MIT
#include <gif_lib.h>

#include <array>

#include "testing/test_images.h"
#include "testing/test_images_internal.h"

namespace photovec::test {
namespace {

int OnWrite(GifFileType* file, const GifByteType* data, int length) {
  auto* out = static_cast<Encoded*>(file->UserData);
  out->insert(out->end(), data, data + length);
  return length;
}

ColorMapObject* MakeMap(int bits) {
  const std::vector<uint8_t> colors = GifPalette(bits);
  ColorMapObject* map = GifMakeMapObject(1 << bits, nullptr);
  Require(map != nullptr, "gif palette");
  for (size_t i = 0; i < colors.size() / 3; ++i) {
    map->Colors[i] = {colors[3 * i], colors[3 * i + 1], colors[3 * i + 2]};
  }
  return map;
}

void PutFrame(GifFileType* file, const Raster& indices, const GifOptions& options, ColorMapObject* local) {
  GraphicsControlBlock control{};
  control.DelayTime = 10;
  control.TransparentColor = options.transparent;
  std::array<GifByteType, 4> extension{};
  EGifGCBToExtension(&control, extension.data());
  Require(EGifPutExtension(file, GRAPHICS_EXT_FUNC_CODE, 4, extension.data()) == GIF_OK, "gif control");
  Require(EGifPutImageDesc(file, options.x, options.y, indices.width, indices.height, options.interlaced,
                           local) == GIF_OK,
          "gif frame");
  static constexpr std::array<std::array<int, 2>, 4> kPasses = {{{0, 8}, {4, 8}, {2, 4}, {1, 2}}};
  const size_t passes = options.interlaced ? kPasses.size() : 1;
  for (size_t pass = 0; pass < passes; ++pass) {
    const int step = options.interlaced ? kPasses[pass][1] : 1;
    for (int y = kPasses[pass][0]; y < indices.height; y += step) {
      auto* row = const_cast<GifPixelType*>(indices.At(0, y));
      Require(EGifPutLine(file, row, indices.width) == GIF_OK, "gif row");
    }
  }
}

}  // namespace

std::vector<uint8_t> GifPalette(int bits) {
  std::vector<uint8_t> colors;
  for (int i = 0; i < 1 << bits; ++i) {
    colors.push_back(static_cast<uint8_t>(255 - i));
    colors.push_back(static_cast<uint8_t>(i * 7));
    colors.push_back(static_cast<uint8_t>(i * 31 + 5));
  }
  return colors;
}

Encoded EncodeGif(const Raster& indices, const GifOptions& options) {
  Encoded out;
  int error = 0;
  GifFileType* file = EGifOpen(&out, OnWrite, &error);
  Require(file != nullptr, "gif open");
  EGifSetGifVersion(file, true);
  ColorMapObject* map = MakeMap(options.bits);
  const int width = options.canvas_width > 0 ? options.canvas_width : indices.width;
  const int height = options.canvas_height > 0 ? options.canvas_height : indices.height;
  Require(EGifPutScreenDesc(file, width, height, 8, 0, options.local_palette ? nullptr : map) == GIF_OK,
          "gif screen");
  for (int i = 0; i < options.frames; ++i)
    PutFrame(file, indices, options, options.local_palette ? map : nullptr);
  Require(EGifCloseFile(file, &error) == GIF_OK, "gif close");
  GifFreeMapObject(map);
  return out;
}

}  // namespace photovec::test
