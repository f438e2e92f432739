// SPDX-License-Identifier: MIT
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "preprocess/taps.h"

namespace photovec::device {

/// One axis: a preprocess::TapTable and a preprocess::PlannedAxis with device pointers.
struct DeviceAxis {
  const preprocess::Tap* taps = nullptr;
  const int32_t* coefs = nullptr;
  int count = 0;
  int first_in = 0;
  int end_in = 0;
  int pad = 0;
};

/// One image of a batch; an array of these lies on the device.
struct ResizeImage {
  const uint8_t* pixels = nullptr;  ///< [height, width, 3]
  int width = 0;
  int height = 0;
  bool transposed = false;
  DeviceAxis x;
  DeviceAxis y;
  uint8_t* between = nullptr;  ///< [y.end_in - y.first_in, x.count, 3]
  uint8_t* out = nullptr;      ///< [S,S,3], zeroed before where the photo does not fill it
  int crop = 0;
};

/// Pillow's two passes in its own fixed point: the same bits as preprocess::Preprocessor.
/// \param most_between the largest y.end_in - y.first_in,
/// \param most_out the largest y.count of the batch. Each image's line
/// along x is at most kMostLine pixels.
constexpr int kMostLine = 16'384;
cudaError_t Resize(const ResizeImage* images, int count, int most_between, int most_out, int most_line,
                   cudaStream_t stream);

}  // namespace photovec::device
