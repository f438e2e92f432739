// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "model/config.h"

namespace photovec::model {

/// One tensor to be drawn: rows may be filled in any order, on any thread.
struct RandomTensor {
  std::string name;            ///< as in the file
  std::vector<int64_t> shape;  ///< the first extent is `rows`, the others are one row
  /// Writes row r. Pure: depends on nothing but r.
  std::function<void(int64_t r, std::span<float> row)> fill;
  int leading_ones = 0;  ///< extents of 1 that the file has before `shape`

  int64_t rows() const { return shape.empty() ? 1 : shape.front(); }
  size_t row_size() const {
    size_t size = 1;
    for (size_t i = 1; i < shape.size(); ++i) size *= static_cast<size_t>(shape[i]);
    return size;
  }
};

/// All tensors of a tower as its published files name them, in file order, with the distributions of
/// docs/models.md ("Random weights"). Of gated MLPs there are none.
std::vector<RandomTensor> RandomTensors(const VisionConfig& config, uint64_t seed);
/// With the scale (and bias) of scores.
std::vector<RandomTensor> RandomTensors(const TextConfig& config, uint64_t seed);

}  // namespace photovec::model
