// SPDX-License-Identifier: MIT
#include <algorithm>
#include <bit>
#include <string>
#include <tuple>

#include "decode/byte_reader.h"
#include "decode/formats/bmp/dib.h"
#include "decode/formats/formats.h"

// The largest picture; of several of that size the one of the fewest colours, as Pillow 13 takes it. Source:
// https://learn.microsoft.com/en-us/previous-versions/ms997538(v=msdn.10).
namespace photovec::decode {
namespace {

struct Icon {
  int width = 0;
  int height = 0;
  int depth = 0;  ///< bits a pixel, as far as they are known
  int bits = 0;   ///< as the directory says, perhaps 0
  size_t at = 0;
  size_t bytes = 0;
};

Result<Icon> FindIcon(std::span<const uint8_t> encoded) {
  ByteReader reader(encoded);
  reader.Skip(4);
  const int count = reader.U16Le();
  Icon best;
  for (int i = 0; i < count && !reader.failed(); ++i) {
    Icon icon;
    const int width = reader.U8();
    const int height = reader.U8();
    const unsigned colors = reader.U8();
    reader.Skip(3);
    icon.width = width == 0 ? 256 : width;
    icon.height = height == 0 ? 256 : height;
    icon.bits = reader.U16Le();
    icon.bytes = reader.U32Le();
    icon.at = reader.U32Le();
    icon.depth = icon.bits != 0 ? icon.bits : colors > 1 ? static_cast<int>(std::bit_width(colors - 1)) : 256;
    const auto rank = [](const Icon& one) { return std::tuple(-one.width * one.height, one.depth); };
    if (best.width == 0 || rank(icon) < rank(best)) best = icon;
  }
  if (reader.failed()) return Status(Code::kImageCorrupt, "the ICO is truncated in its directory");
  if (best.width == 0) return Status(Code::kImageCorrupt, "the ICO has no picture");
  if (best.at >= encoded.size())
    return Status(Code::kImageCorrupt, "the ICO's largest picture lies outside of the file");
  return best;
}

bool IsPng(std::span<const uint8_t> bytes) { return HasAt(bytes, 0, "\x89PNG\r\n\x1A\n"); }

/// Where the mask lets the background through, over white.
void ApplyMask(std::span<const uint8_t> encoded, const Icon& icon, RgbImage* out) {
  const size_t stride = bmp::RowBytes(out->width(), 1);
  const size_t bytes = stride * static_cast<size_t>(out->height());
  if (icon.bytes < bytes || icon.at + icon.bytes > encoded.size()) return;
  const auto mask = encoded.subspan(icon.at + icon.bytes - bytes, bytes);
  for (int y = 0; y < out->height(); ++y) {
    const uint8_t* row = mask.data() + static_cast<size_t>(out->height() - 1 - y) * stride;
    uint8_t* to = out->Row(y);
    for (int x = 0; x < out->width(); ++x, to += 3) {
      if ((row[x / 8] >> (7 - x % 8) & 1) != 0) std::fill_n(to, 3, uint8_t{255});
    }
  }
}

}  // namespace

Result<ImageHeader> ProbeIco(std::span<const uint8_t> encoded) {
  ASSIGN_OR_RETURN(const Icon icon, FindIcon(encoded));
  const auto inside = encoded.subspan(icon.at);
  ImageHeader header;
  if (IsPng(inside)) {
    ASSIGN_OR_RETURN(header, ProbePng(inside));
  } else {
    ASSIGN_OR_RETURN(const bmp::Dib dib, bmp::ReadDib(inside, 0, 0));
    if (dib.height < 2) return Status(Code::kImageCorrupt, "the ICO's picture has no rows");
    header.width = dib.width;
    header.height = dib.height / 2;  // the mask's rows lie behind
  }
  header.format = Format::kIco;
  return header;
}

Status DecodeIco(const PixelRequest& request, CodecScratch* scratch, RgbImage* out) {
  ASSIGN_OR_RETURN(const Icon icon, FindIcon(request.encoded));
  const auto inside = request.encoded.subspan(icon.at);
  if (IsPng(inside)) {
    ImageHeader header = *request.header;
    header.format = Format::kPng;
    PixelRequest png = request;
    png.encoded = inside;
    png.header = &header;
    return DecodePng(png, scratch, out);
  }
  ASSIGN_OR_RETURN(bmp::Dib dib, bmp::ReadDib(inside, 0, 0));
  out->Reset(request.header->width, request.header->height);
  const bool deep = icon.bits == 32 && dib.bits == 32;
  if (deep) dib.masks[3] = ~(dib.masks[0] | dib.masks[1] | dib.masks[2]);
  RETURN_IF_ERROR(bmp::DecodeDib(inside, dib, request.alpha, "ICO", out));
  if (request.alpha == AlphaMode::kWhite && !deep) ApplyMask(request.encoded, icon, out);
  return Status::Ok();
}

}  // namespace photovec::decode
