// SPDX-License-Identifier: MIT
#include "decode/formats/jpeg2000/planes.h"

#include <algorithm>
#include <array>
#include <vector>

#include "decode/pixel_decoder.h"

namespace photovec::decode {
namespace {

constexpr int kTableBits = 16;

/// Repeats one row of a plane to the image's width, as 8-bit samples.
class RowReader {
 public:
  RowReader(const Jpeg2000Plane& plane, const Jpeg2000Picture& picture, int width)
      : plane_(plane),
        top_(picture.y0),
        offset_(plane.is_signed ? int64_t{1} << (plane.bits - 1) : 0),
        largest_((int64_t{1} << plane.bits) - 1),
        shift_(std::max(0, plane.bits - kTableBits)),
        columns_(static_cast<size_t>(width)),
        row_(static_cast<size_t>(width)) {
    for (int x = 0; x < width; ++x) {
      columns_[static_cast<size_t>(x)] =
          std::clamp((picture.x0 + x) / plane.dx - plane.x0, 0, plane.width - 1);
    }
    const int64_t steps = largest_ >> shift_;
    for (int64_t i = 0; i <= steps; ++i)
      table_.push_back(static_cast<uint8_t>((i * 255 + steps / 2) / steps));
  }

  const uint8_t* Read(int y) {
    const int from = std::clamp((top_ + y) / plane_.dy - plane_.y0, 0, plane_.height - 1);
    if (from == in_row_) return row_.data();
    in_row_ = from;
    const int32_t* samples = plane_.samples + static_cast<size_t>(from) * static_cast<size_t>(plane_.width);
    for (size_t x = 0; x < row_.size(); ++x) row_[x] = Eight(samples[columns_[x]]);
    return row_.data();
  }

 private:
  uint8_t Eight(int64_t value) const {
    return table_[static_cast<size_t>(std::clamp<int64_t>(value + offset_, 0, largest_) >> shift_)];
  }

  const Jpeg2000Plane& plane_;
  int top_;
  int64_t offset_;
  int64_t largest_;
  int shift_;
  std::vector<uint8_t> table_;  ///< 8 bits of every number of up to kTableBits
  std::vector<int> columns_;
  std::vector<uint8_t> row_;
  int in_row_ = -1;
};

uint8_t Clamp(int value) { return static_cast<uint8_t>(std::clamp(value, 0, 255)); }

void YccToRgb(int y, int cb, int cr, uint8_t* out) {
  constexpr int kHalf = 1 << 15;
  cb -= 128;
  cr -= 128;
  out[0] = Clamp(y + ((91'881 * cr + kHalf) >> 16));
  out[1] = Clamp(y + ((-22'554 * cb - 46'802 * cr + kHalf) >> 16));
  out[2] = Clamp(y + ((116'130 * cb + kHalf) >> 16));
}

void CmykToRgb(const std::array<const uint8_t*, 4>& rows, size_t x, uint8_t* out) {
  const int white = 255 - rows[3][x];
  for (size_t c = 0; c < 3; ++c) {
    const int product = rows.at(c)[x] * white + 128;
    out[c] = Clamp(white - ((product >> 8) + product) / 256);
  }
}

void PaintRow(Jpeg2000Colors kind, const std::array<const uint8_t*, 4>& rows, size_t width, uint8_t* out) {
  for (size_t x = 0; x < width; ++x, out += 3) {
    switch (kind) {
      case Jpeg2000Colors::kGrey:
        out[0] = out[1] = out[2] = rows[0][x];
        break;
      case Jpeg2000Colors::kRgb:
        for (size_t c = 0; c < 3; ++c) out[c] = rows.at(c)[x];
        break;
      case Jpeg2000Colors::kYcc:
        YccToRgb(rows[0][x], rows[1][x], rows[2][x], out);
        break;
      case Jpeg2000Colors::kCmyk:
        CmykToRgb(rows, x, out);
        break;
    }
  }
}

void ComposeOverWhite(const uint8_t* alpha, bool premultiplied, size_t width, uint8_t* out) {
  for (size_t x = 0; x < width; ++x, out += 3) {
    for (int c = 0; c < 3; ++c) {
      out[c] = premultiplied ? Clamp(out[c] + 255 - alpha[x]) : OverWhite(out[c], alpha[x]);
    }
  }
}

}  // namespace

void PaintJpeg2000(const Jpeg2000Picture& picture, AlphaMode alpha, RgbImage* out) {
  std::vector<RowReader> readers;
  readers.reserve(5);
  for (const Jpeg2000Plane& plane : picture.colors) readers.emplace_back(plane, picture, out->width());
  const bool white = alpha == AlphaMode::kWhite && picture.alpha != nullptr;
  if (white) readers.emplace_back(*picture.alpha, picture, out->width());
  const auto width = static_cast<size_t>(out->width());
  for (int y = 0; y < out->height(); ++y) {
    std::array<const uint8_t*, 4> rows{};
    for (size_t i = 0; i < picture.colors.size(); ++i) rows.at(i) = readers[i].Read(y);
    PaintRow(picture.kind, rows, width, out->Row(y));
    if (white) ComposeOverWhite(readers.back().Read(y), picture.premultiplied, width, out->Row(y));
  }
}

}  // namespace photovec::decode
