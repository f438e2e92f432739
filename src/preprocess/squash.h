// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "base/image.h"
#include "preprocess/aligned_buffer.h"
#include "preprocess/geometry.h"
#include "preprocess/kernels.h"

namespace photovec::preprocess {

/// Straight resize to S x S as OpenCV's INTER_CUBIC does it: four taps at any scale, half-pixel centres,
/// borders replicated, coefficients of 11 fractional bits. Keeps its scratch between calls; not thread-safe.
class Squasher {
 public:
  /// \param plan of a kSquash spec.
  /// \param out [S,S,3], S = plan.x.key.out_size.
  void Run(const RgbView& pixels, const ResizePlan& plan, uint8_t* out);

 private:
  std::vector<CubicTap> columns_;  // in source terms, by output position along the source's x axis
  std::vector<CubicTap> rows_;
  AlignedBuffer<int32_t> sums_;  // four rows of [S][4]
  AlignedBuffer<uint8_t> line_;  // [S][4]
};

/// The taps of one axis, output pixels in oriented order; exposed for tests.
std::vector<CubicTap> BuildCubicTaps(const AxisKey& key);

}  // namespace photovec::preprocess
