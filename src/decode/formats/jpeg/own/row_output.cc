// SPDX-License-Identifier: MIT
#include "decode/formats/jpeg/own/row_output.h"

#include <algorithm>

#include "decode/formats/jpeg/own/rows.h"

namespace photovec::decode::jpeg {
namespace {

constexpr size_t kBorder = 64;  // bytes before a row, for its left neighbour; keeps rows aligned

int DivideUp(int value, int by) { return (value + by - 1) / by; }

}  // namespace

bool RowOutput::Start(const Frame& frame, const HeaderReader& headers, int scale_denominator,
                      const PixelWindow& window, RgbImage* out) {
  out_ = out;
  component_count_ = static_cast<size_t>(frame.component_count);
  smallest_ = 8 / scale_denominator;
  v_max_ = frame.v_max;
  mcus_across_ = DivideUp(frame.width, 8 * frame.h_max);
  mcus_down_ = DivideUp(frame.height, 8 * frame.v_max);
  mcu_row_ = 0;
  needs_neighbours_ = false;
  rows_wanted_ = std::min(out->height(), window.end_row);
  rows_written_ = first_row_ = std::clamp(window.first_row, 0, rows_wanted_);
  end_column_ = std::min(out->width(), window.end_column);
  first_column_ = std::clamp(window.first_column, 0, end_column_) / 2 * 2;
  for (size_t i = 0; i < component_count_; ++i) {
    PlanPlane(frame, i, smallest_);
    if (!MakeDequantiser(headers.quant(frame.components[i].quant), &planes_[i].quant)) return false;
  }
  Allocate();
  return true;
}

/// As jpeg_calc_output_dimensions and jinit_upsampler: chroma is enlarged by its inverse DCT where that does
/// in both directions; what then is left is upsampled, by a triangle if blocks have more than one pixel.
void RowOutput::PlanPlane(const Frame& frame, size_t component, int smallest) {
  Plane& plane = planes_[component];
  plane.h = frame.components[component].h;
  plane.v = frame.components[component].v;
  int across = frame.h_max / plane.h;
  int down = frame.v_max / plane.v;
  plane.dct_size = smallest;
  if (across == 2 && down == 2 && smallest < 8) {
    plane.dct_size = 2 * smallest;
    across = down = 1;
  }
  plane.width = DivideUp(frame.width * plane.h * plane.dct_size, frame.h_max * 8);
  plane.height = DivideUp(frame.height * plane.v * plane.dct_size, frame.v_max * 8);
  const bool triangle = smallest > 1 && (across == 1 || plane.width > 2);
  const Upsampling kind = triangle ? Upsampling::kTriangle : Upsampling::kRepeat;
  plane.across = across == 2 ? kind : Upsampling::kNone;
  plane.down = down == 2 ? kind : Upsampling::kNone;
  needs_neighbours_ = needs_neighbours_ || plane.down == Upsampling::kTriangle;
}

void RowOutput::Allocate() {
  size_t need = 0;
  for (size_t i = 0; i < component_count_; ++i) {
    Plane& plane = planes_[i];
    plane.rows = plane.v * plane.dct_size * (needs_neighbours_ ? 2 : 1);
    const size_t blocks = static_cast<size_t>(mcus_across_) * static_cast<size_t>(plane.h) + kLanes;
    const size_t bytes = kBorder + blocks * static_cast<size_t>(plane.dct_size) + kRowSlack;
    plane.stride = (bytes + 63) / 64 * 64;
    plane.offset = need + kBorder;
    need += plane.stride * static_cast<size_t>(plane.rows);
  }
  need += kBorder + kRowSlack;
  if (samples_.size() < need) samples_.resize(need);
  const size_t row = static_cast<size_t>(out_->width()) + 2 * kRowSlack;
  for (auto& upsampled : upsampled_) {
    if (upsampled.size() < row) upsampled.resize(row);
  }
}

uint8_t* RowOutput::Row(const Plane& plane, int row) {
  return samples_.data() + plane.offset + plane.stride * static_cast<size_t>(row % plane.rows);
}

bool RowOutput::Wants(size_t component, int first_block) const {
  constexpr int kNeighbours = 2;  // rows above the first one that the triangle looks at
  if (done() || (mcu_row_ + 1) * smallest_ * v_max_ + kNeighbours <= first_row_) return false;
  const Plane& plane = planes_[component];
  const int factor = plane.across == Upsampling::kNone ? 1 : 2;
  const int first = first_block * plane.dct_size;
  const int end = first + static_cast<int>(kLanes) * plane.dct_size;
  // One sample more on either side, for the triangle.
  return end >= first_column_ / factor && first <= end_column_ / factor + 1;
}

bool RowOutput::Transform(size_t component, int block_row, int first_block, int16_t* unit) {
  const Plane& plane = planes_[component];
  const int row = (mcu_row_ * plane.v + block_row) * plane.dct_size;
  uint8_t* pixels = Row(plane, row) + static_cast<ptrdiff_t>(first_block) * plane.dct_size;
  return InverseDct(plane.dct_size, unit, plane.quant, {pixels, plane.stride});
}

/// So that the triangle finds a neighbour at both ends of the rows of the current MCU row.
void RowOutput::RepeatEdges(const Plane& plane) {
  const int count = plane.v * plane.dct_size;
  for (int i = 0; i < count; ++i) {
    uint8_t* row = Row(plane, mcu_row_ * count + i);
    row[-1] = row[0];
    row[plane.width] = row[plane.width - 1];
  }
}

void RowOutput::FinishMcuRow() {
  for (size_t i = 1; i < component_count_; ++i) {
    if (planes_[i].across == Upsampling::kTriangle) RepeatEdges(planes_[i]);
  }
  const bool last = mcu_row_ + 1 == mcus_down_;
  ++mcu_row_;
  // libjpeg-turbo writes groups of v_max rows; the last group of a MCU row waits for its neighbour below.
  const int groups = mcu_row_ * smallest_ - (needs_neighbours_ ? 1 : 0);
  const int end = std::min(rows_wanted_, last ? out_->height() : groups * v_max_);
  for (; rows_written_ < end; ++rows_written_) WriteRow(rows_written_);
}

/// Samples of columns first_column_ and on, at full width.
const uint8_t* RowOutput::ChromaRow(size_t component, int y) {
  const Plane& plane = planes_[component];
  const int near = plane.down == Upsampling::kNone ? y : y / 2;
  const bool below = y % 2 == 1;
  const int far = std::clamp(below ? near + 1 : near - 1, 0, plane.height - 1);
  const bool halved = plane.across != Upsampling::kNone;
  const ptrdiff_t first = halved ? first_column_ / 2 : first_column_;
  const uint8_t* in = Row(plane, near) + first;
  const auto wanted = static_cast<size_t>(end_column_ - first_column_);
  const size_t count = halved ? (wanted + 1) / 2 : wanted;
  uint8_t* out = upsampled_.at(component - 1).data();
  if (plane.down == Upsampling::kTriangle) {
    const uint8_t* other = Row(plane, far) + first;
    if (halved) {
      UpsampleBoth(in, other, count, out);
    } else {
      UpsampleRows(in, other, below ? 2 : 1, count, out);
    }
    return out;
  }
  if (!halved) return in;
  if (plane.across == Upsampling::kTriangle) {
    UpsampleColumns(in, count, out);
  } else {
    RepeatColumns(in, count, out);
  }
  return out;
}

void RowOutput::WriteRow(int y) {
  const uint8_t* luma = Row(planes_[0], y) + first_column_;
  const auto count = static_cast<size_t>(end_column_ - first_column_);
  uint8_t* rgb = out_->Row(y) + static_cast<ptrdiff_t>(3) * first_column_;
  if (component_count_ == 1) {
    GreyToRgb(luma, count, rgb);
  } else {
    YccToRgb(luma, ChromaRow(1, y), ChromaRow(2, y), count, rgb);
  }
}

}  // namespace photovec::decode::jpeg
