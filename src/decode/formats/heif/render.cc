// SPDX-License-Identifier: MIT
#include "decode/formats/heif/render.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "decode/formats/heif/library.h"
#include "decode/formats/heif/planes.h"
#include "decode/formats/heif/properties.h"
#include "decode/formats/heif/still_file.h"

namespace photovec::decode {

HeifCanvas HeifCanvas::Of(uint8_t* base, int pixel_bytes, const HeifSize& size) {
  HeifCanvas canvas;
  canvas.base = base;
  canvas.pixel_bytes = pixel_bytes;
  canvas.step_x = pixel_bytes;
  canvas.step_y = size.width * pixel_bytes;
  canvas.right = size.width;
  canvas.bottom = size.height;
  return canvas;
}

HeifCanvas HeifCanvas::At(int64_t x, int64_t y) const {
  HeifCanvas part = *this;
  part.origin += x * step_x + y * step_y;
  part.left -= x;
  part.right -= x;
  part.top -= y;
  part.bottom -= y;
  return part;
}

HeifCanvas HeifCanvas::Before(const HeifStep& step, const HeifSize& before) const {
  HeifCanvas canvas = *this;
  if (step.kind == HeifStep::Kind::kCrop) {
    canvas.right = std::min(canvas.right, step.size.width);
    canvas.bottom = std::min(canvas.bottom, step.size.height);
    canvas.left = std::max<int64_t>(canvas.left, 0);
    canvas.top = std::max<int64_t>(canvas.top, 0);
    return canvas.At(-step.left, -step.top);
  }
  const int64_t last_x = before.width - 1;
  const int64_t last_y = before.height - 1;
  if (step.kind == HeifStep::Kind::kMirror) {
    if (step.sideways) {
      canvas.origin += last_x * step_x;
      canvas.step_x = -step_x;
      canvas.left = before.width - right;
      canvas.right = before.width - left;
    } else {
      canvas.origin += last_y * step_y;
      canvas.step_y = -step_y;
      canvas.top = before.height - bottom;
      canvas.bottom = before.height - top;
    }
    return canvas;
  }
  // Counter-clockwise by a quarter: (x, y) goes to (y, last_x - x).
  HeifSize size = before;
  for (int i = 0; i < step.quarters; ++i) std::swap(size.width, size.height);
  for (int i = 0; i < step.quarters; ++i) {
    std::swap(size.width, size.height);  // before this quarter
    const HeifCanvas after = canvas;
    canvas.origin = after.origin + (size.width - 1) * after.step_y;
    canvas.step_x = -after.step_y;
    canvas.step_y = after.step_x;
    canvas.left = size.width - after.bottom;
    canvas.right = size.width - after.top;
    canvas.top = after.left;
    canvas.bottom = after.right;
  }
  return canvas;
}

void HeifCanvas::PutRow(int64_t y, int64_t width, const uint8_t* pixels) const {
  const int64_t first = std::max<int64_t>(left, 0);
  const int64_t end = std::min(right, width);
  if (y < top || y >= bottom || first >= end) return;
  uint8_t* to = base + (origin + first * step_x + y * step_y);
  pixels += first * pixel_bytes;
  if (step_x == pixel_bytes) {
    std::memcpy(to, pixels, static_cast<size_t>((end - first) * pixel_bytes));
    return;
  }
  int64_t at = 0;
  for (int64_t x = first; x < end; ++x, at += step_x, pixels += pixel_bytes) {
    for (int c = 0; c < pixel_bytes; ++c) to[at + c] = pixels[c];
  }
}

void HeifCanvas::Fill(const HeifSize& size, const uint8_t* pixel) const {
  std::vector<uint8_t> row;
  for (int64_t x = 0; x < size.width; ++x) row.insert(row.end(), pixel, pixel + pixel_bytes);
  for (int64_t y = 0; y < size.height; ++y) PutRow(y, size.width, row.data());
}

namespace {

/// Rows in, their means over squares of `scale` x `scale` pixels out; what is left over at the right and
/// below makes smaller ones. A scale of 1 passes rows on.
class Reducer {
 public:
  Reducer(const HeifCanvas& canvas, int64_t width, int64_t height, int scale)
      : canvas_(canvas), width_(width), height_(height), scale_(scale) {
    if (scale == 1) return;
    const auto cells = static_cast<size_t>((width + scale - 1) / scale * canvas.pixel_bytes);
    sums_.resize(cells);
    means_.resize(cells);
  }

  void PutRow(int64_t y, const uint8_t* pixels) {
    if (scale_ == 1) return canvas_.PutRow(y, width_, pixels);
    const int bytes = canvas_.pixel_bytes;
    uint32_t* sum = sums_.data();
    for (int64_t x = 0; x < width_; sum += bytes) {
      const int64_t end = std::min(width_, x + scale_);
      for (; x < end; ++x, pixels += bytes) {
        for (int c = 0; c < bytes; ++c) sum[c] += pixels[c];
      }
    }
    if (y % scale_ == scale_ - 1 || y + 1 == height_) PutMeans(y);
  }

 private:
  void PutMeans(int64_t y) {
    const auto rows = static_cast<uint32_t>(y % scale_ + 1);
    const int64_t cells = (width_ + scale_ - 1) / scale_;
    size_t at = 0;
    for (int64_t cell = 0; cell < cells; ++cell) {
      const auto count = rows * static_cast<uint32_t>(std::min<int64_t>(scale_, width_ - cell * scale_));
      for (int c = 0; c < canvas_.pixel_bytes; ++c, ++at) {
        means_[at] = static_cast<uint8_t>((std::exchange(sums_[at], 0) + count / 2) / count);
      }
    }
    canvas_.PutRow(y / scale_, cells, means_.data());
  }

  const HeifCanvas& canvas_;
  const int64_t width_;
  const int64_t height_;
  const int scale_;
  std::vector<uint32_t> sums_;
  std::vector<uint8_t> means_;
};

}  // namespace

Status HeifRenderer::Colour(const HeifNode& node, RgbImage* out) {
  return Render(node, HeifCanvas::Of(out->data(), 3, Scaled(node.shown)), false);
}

Status HeifRenderer::Alpha(const HeifNode& node, HeifCoverage* out) {
  const HeifNode& alpha = plan_.nodes[node.alpha];
  out->size = alpha.shown;
  out->levels.assign(static_cast<size_t>(alpha.shown.Area()), 255);
  return Render(alpha, HeifCanvas::Of(out->levels.data(), 1, alpha.shown), true);
}

Status HeifRenderer::Blend(const HeifNode& node, const HeifCanvas& canvas) {
  RgbImage colour;
  colour.Reset(static_cast<int>(node.shown.width), static_cast<int>(node.shown.height));
  HeifCoverage coverage;
  RETURN_IF_ERROR(Colour(node, &colour));
  RETURN_IF_ERROR(Alpha(node, &coverage));
  for (int y = 0; y < colour.height(); ++y) {
    canvas.MixRow(y, colour.width(), colour.Row(y), [&](int64_t x, uint8_t* to, const uint8_t* pixel) {
      const int a = coverage.At(x, y, node.shown);
      for (int c = 0; c < 3; ++c) {
        const int own = node.premultiplied ? 255 * pixel[c] : a * pixel[c];
        to[c] = static_cast<uint8_t>(std::min(255, (own + (255 - a) * to[c] + 127) / 255));
      }
    });
  }
  return Status::Ok();
}

Status HeifRenderer::Render(const HeifNode& node, HeifCanvas canvas, bool alpha) {
  const HeifSize size = Scaled(node.size);
  std::vector<HeifSize> sizes = {size};
  for (const HeifStep& step : node.steps) sizes.push_back(HeifSizeAfter(step, sizes.back()));
  for (size_t i = node.steps.size(); i > 0; --i) canvas = canvas.Before(node.steps[i - 1], sizes[i - 1]);
  if (node.kind == HeifNode::Kind::kCoded) return Coded(node, canvas, alpha);
  if (node.kind == HeifNode::Kind::kOverlay) {
    const uint8_t opaque = 255;
    canvas.Fill(size, alpha ? &opaque : node.fill.data());
  }
  // What sticks out of this picture is not shown.
  canvas.left = std::max<int64_t>(canvas.left, 0);
  canvas.top = std::max<int64_t>(canvas.top, 0);
  canvas.right = std::min(canvas.right, size.width);
  canvas.bottom = std::min(canvas.bottom, size.height);
  for (size_t i = 0; i < node.children.size(); ++i) {
    HeifNode::Offset at;
    if (node.kind == HeifNode::Kind::kGrid) {
      at.x = static_cast<int64_t>(i % node.columns) * node.tile.width / scale_;
      at.y = static_cast<int64_t>(i / node.columns) * node.tile.height / scale_;
    } else if (node.kind == HeifNode::Kind::kOverlay) {
      at = node.offsets[i];
    }
    const HeifNode& child = plan_.nodes[node.children[i]];
    const HeifCanvas place = canvas.At(at.x, at.y);
    const bool blend = node.kind == HeifNode::Kind::kOverlay && child.alpha != kNoHeifNode && !alpha;
    RETURN_IF_ERROR(blend ? Blend(child, place) : Render(child, place, alpha));
  }
  return Status::Ok();
}

Status HeifRenderer::Coded(const HeifNode& node, const HeifCanvas& canvas, bool alpha) {
  RETURN_IF_ERROR(PlanesToRgb::CheckMatrix(node.colour));
  HeifPicture picture;
  {
    const std::vector<uint8_t> file = MakeStillFile(node);
    // Coded sizes are multiples of up to 64 pixels.
    const int64_t pixels = node.size.Area() + 64 * (node.size.width + node.size.height + 64);
    RETURN_IF_ERROR(DecodeStillFile(file, pixels, limits_, &picture));
  }
  HeifPlanes& planes = picture.planes;
  if (planes.width != node.size.width || planes.height != node.size.height) {
    return {Code::kImageCorrupt, "the HEIC or AVIF has pixels of another size than its header says: " +
                                     std::to_string(planes.width) + " x " + std::to_string(planes.height)};
  }
  if (planes.chroma == 3 && (node.stream.chroma == 1 || node.stream.chroma == 2)) {
    planes.repeated = true;
    planes.chroma = node.stream.chroma;
  }
  // Of a transparency its stream says the range, as libavif has it; encoders of HEVC leave it unsaid.
  ColourCode colour = alpha ? node.stream.colour : node.colour;
  if (alpha && !node.av1) colour.full_range = true;
  PlanesToRgb converter(planes, colour, node.av1);
  Reducer reducer(canvas, planes.width, planes.height, scale_);
  std::vector<uint8_t> row(static_cast<size_t>(planes.width) * 3);
  for (int y = 0; y < planes.height; ++y) {
    if (alpha) {
      converter.GreyRow(y, row.data());
    } else {
      converter.Row(y, row.data());
    }
    reducer.PutRow(y, row.data());
  }
  return Status::Ok();
}

}  // namespace photovec::decode
