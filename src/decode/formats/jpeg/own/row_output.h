// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/image.h"
#include "decode/formats/jpeg/own/headers.h"
#include "decode/formats/jpeg/own/idct.h"
#include "decode/pixel_decoder.h"

namespace photovec::decode::jpeg {

/// The half of a decode behind the coefficients: inverse DCT into one or two MCU rows of samples, upsampling
/// and colours, one row of pixels after the other. Keeps its memory from photo to photo.
///
/// Bounds: a plane has room for kLanes blocks behind its last one and kRowSlack bytes behind those; rows of
/// planes are taken modulo their number; YccToRgb writes the pixels of the window and nothing beyond.
class RowOutput {
 public:
  /// \param out has its size already; borrowed, as the window is, up to the last row.
  /// \return false when a table does not fit.
  bool Start(const Frame& frame, const HeaderReader& headers, int scale_denominator,
             const PixelWindow& window, RgbImage* out);

  int mcus_across() const { return mcus_across_; }
  int mcus_down() const { return mcus_down_; }

  /// Whether anybody looks at any of kLanes blocks of a component, from `first_block` of a row of blocks of
  /// the current MCU row on.
  bool Wants(size_t component, int first_block) const;
  /// Transforms a unit of blocks (InverseDct: it is zero afterwards where that matters), from `first_block`
  /// on, of row `block_row` of the current MCU row. \return false when a coefficient is out of range.
  bool Transform(size_t component, int block_row, int first_block, int16_t* unit);
  /// All of the current MCU row has been transformed: writes the pixels that it completes.
  void FinishMcuRow();
  /// Whether all rows of the window are written.
  bool done() const { return rows_written_ >= rows_wanted_; }

 private:
  enum class Upsampling { kNone, kRepeat, kTriangle };

  struct Plane {
    int h = 1;  ///< blocks of a MCU
    int v = 1;
    int dct_size = 8;
    int width = 0;  ///< samples that belong to the photo
    int height = 0;
    Upsampling across = Upsampling::kNone;
    Upsampling down = Upsampling::kNone;
    int rows = 0;  ///< that are kept
    size_t stride = 0;
    size_t offset = 0;  ///< of sample 0 of row 0 in samples_
    Dequantiser quant;
  };

  void PlanPlane(const Frame& frame, size_t component, int smallest);
  void Allocate();
  uint8_t* Row(const Plane& plane, int row);
  void RepeatEdges(const Plane& plane);
  void WriteRow(int y);
  const uint8_t* ChromaRow(size_t component, int y);

  std::array<Plane, 3> planes_;
  size_t component_count_ = 0;
  int smallest_ = 8;  ///< pixels a side of the blocks of luma
  int v_max_ = 1;
  bool needs_neighbours_ = false;  ///< rows of pixels look at the MCU row below
  int mcus_across_ = 0;
  int mcus_down_ = 0;
  int mcu_row_ = 0;
  int first_row_ = 0;  ///< of the window
  int rows_written_ = 0;
  int rows_wanted_ = 0;
  int first_column_ = 0;  ///< even
  int end_column_ = 0;
  RgbImage* out_ = nullptr;
  std::vector<uint8_t> samples_;
  std::array<std::vector<uint8_t>, 2> upsampled_;
};

}  // namespace photovec::decode::jpeg
