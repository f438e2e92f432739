// SPDX-License-Identifier: MIT
#pragma once

#include "device/cuda/plugin/encode/cuda_device_stream.h"

namespace photovec::device {

/// FLOP/s of nothing but the products of `images` images, back to back, with the encoder's weights and plans;
/// of one 8192 x 8192 x 8192 product of the element when images is 0. Median of several runs by CUDA events.
Result<double> MeasureGemmCeiling(const DeviceShared& shared, int images);

}  // namespace photovec::device
