// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "decode/formats/formats.h"
#include "decode/formats/gif/lzw.h"

// The first frame on its canvas, as Pillow gives frame 0: pixels that are not covered, or missing, have the
// transparent index, else index 0; indices beyond the palette are black.
namespace photovec::decode {
namespace {

using Palette = std::array<std::array<uint8_t, 3>, 256>;

Palette ReadPalette(std::span<const uint8_t> rgb) {
  Palette palette{};
  bool grey = true;  // no palette, or one that says nothing: indices are grey levels, those beyond it, too
  for (size_t i = 0; i < std::min(palette.size(), rgb.size() / 3); ++i) {
    palette[i] = {rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2]};
    grey = grey && std::all_of(palette[i].begin(), palette[i].end(), [i](size_t v) { return v == i; });
  }
  for (size_t i = 0; grey && i < palette.size(); ++i) palette[i].fill(static_cast<uint8_t>(i));
  return palette;
}

void FillCanvas(const std::array<uint8_t, 3>& color, RgbImage* out) {
  for (int x = 0; x < out->width(); ++x)
    std::memcpy(out->data() + static_cast<ptrdiff_t>(x) * 3, color.data(), 3);
  for (int y = 1; y < out->height(); ++y) std::memcpy(out->Row(y), out->data(), out->stride());
}

/// The row that the n-th line of an interlaced frame belongs to. Source: GIF89a appendix E.
class RowOrder {
 public:
  RowOrder(int height, bool interlaced)
      : height_(height), interlaced_(interlaced), step_(interlaced ? 8 : 1) {}
  int Next() {
    static constexpr std::array<int, 4> kFirst = {0, 4, 2, 1};
    static constexpr std::array<int, 4> kStep = {8, 8, 4, 2};
    while (interlaced_ && row_ >= height_ && pass_ < 3) {
      ++pass_;
      row_ = kFirst[pass_];
      step_ = kStep[pass_];
    }
    const int row = row_;
    row_ += step_;
    return row;
  }

 private:
  int height_;
  bool interlaced_;
  int row_ = 0;
  int step_;
  size_t pass_ = 0;
};

/// What is wrong when the lines from `line` on are missing; OK when nothing is. Some encoders lose the last
/// line, or a part of it: no decoder minds.
Status WhyShort(gif::LzwReader::End end, int line, int height) {
  const std::string place = " at line " + std::to_string(line) + " of " + std::to_string(height);
  if (end == gif::LzwReader::End::kBadCode) {
    return {Code::kImageCorrupt, "the GIF's data is corrupt" + place};
  }
  if (line > 0 && line + 1 >= height) return Status::Ok();
  return {Code::kImageCorrupt, "the GIF is truncated: its first frame ends" + place};
}

}  // namespace

Status DecodeGif(const PixelRequest& request, CodecScratch* scratch, RgbImage* out) {
  const ImageHeader& header = *request.header;
  const FrameRect& frame = header.gif.frame;
  const bool white = request.alpha == AlphaMode::kWhite;
  const int transparent = header.gif.transparent_index;
  const auto empty = static_cast<size_t>(std::max(transparent, 0));
  Palette palette = ReadPalette(header.gif.palette);
  if (white && transparent >= 0) palette[empty] = {255, 255, 255};
  out->Reset(header.width, header.height);

  gif::LzwReader reader(header.gif.data);
  RowOrder order(frame.height, header.gif.interlaced);
  uint8_t* line = scratch->Reserve(static_cast<size_t>(frame.width));
  int whole = 0;
  const bool covered = frame.width == header.width && frame.height == header.height;
  const std::array<uint8_t, 3> beside = white ? std::array<uint8_t, 3>{255, 255, 255} : palette[empty];
  if (!covered) FillCanvas(beside, out);
  for (int i = 0; i < frame.height; ++i) {
    const size_t got = reader.Read({line, static_cast<size_t>(frame.width)});
    if (got == static_cast<size_t>(frame.width)) ++whole;
    uint8_t* to = out->Row(frame.y + order.Next()) + static_cast<ptrdiff_t>(frame.x) * 3;
    for (size_t x = 0; x < static_cast<size_t>(frame.width); ++x, to += 3)
      std::memcpy(to, x < got ? palette[line[x]].data() : beside.data(), 3);
  }
  if (whole == frame.height) return Status::Ok();
  const Status error = WhyShort(reader.end(), whole, frame.height);
  return error.ok() ? error : JudgeDamage(request, header.height - (frame.height - whole), error, scratch);
}

}  // namespace photovec::decode
