// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <vector>

#include "model/model_config.h"

namespace photovec::model {

/// Fits a square grid of positions to another size, in f32, as torch.nn.functional.interpolate does on a CPU
/// with align_corners False: bicubic with a = -0.75 and the edge repeated; with antialias a = -0.5, the
/// filter as wide as the grid shrinks and its weights normalised within it.
/// \param grid [from, from, D]. \return [to, to, D].
/// Source: torch 2.9, aten/src/ATen/native/cpu/UpSampleKernel.cpp.
std::vector<float> ResampleGrid(std::span<const float> grid, int from, int to, GridResampling how);

}  // namespace photovec::model
