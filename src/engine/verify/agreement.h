// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <string>
#include <vector>

#include "model/text_model.h"
#include "model/vision_model.h"

namespace photovec::engine {

/// How much two sets of vectors of the same photos agree.
struct Agreement {
  size_t count = 0;
  double least_cosine = 1;
  double median_cosine = 1;
  /// Of each photo's ten nearest others by the first set, the share that the second set has among its ten;
  /// the mean over all photos. Negative with fewer than 12 photos: it says nothing then.
  double overlap_at_10 = -1;
  /// The largest distance between two unit vectors of one photo, over the median distance between different
  /// photos. 0 with one photo.
  double error_over_distance = 0;
};

/// \param first, second [N, dim] each, of any length but zero. O(N^2 dim).
Agreement Compare(std::span<const float> first, std::span<const float> second, size_t dim);

/// The same weights with fewer blocks; shares the storage of `model`.
model::VisionModel FirstBlocks(const model::VisionModel& model, int layers);
/// As FirstBlocks, and the row that becomes the vector comes out as the blocks leave it, without the last
/// norm and the projection. Only for Pooling::kClassToken.
model::VisionModel BareBlocks(const model::VisionModel& model, int layers);

/// Which depths to look at: at most `count` of 1..layers, evenly, the last one among them.
std::vector<int> Depths(int layers, int count);

/// What is remarkable in a checkpoint's numbers.
struct WeightScan {
  size_t tensors = 0;
  int64_t values = 0;
  std::vector<std::string> broken;  ///< "NAME: 3 of 589824 values are NaN or infinite"; all zeros, too
  std::string largest;              ///< name of the tensor with the largest value
  double largest_value = 0;
  /// Of all weight matrices: the largest value over the root of the mean square, and where.
  std::string widest;
  double widest_ratio = 0;
};
/// Reads every value once, the token table row by row.
/// \param text may be null.
WeightScan ScanWeights(const model::VisionModel& image, const model::TextModel* text);

}  // namespace photovec::engine
