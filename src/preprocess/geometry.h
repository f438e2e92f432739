// SPDX-License-Identifier: MIT
#pragma once

#include "base/result.h"
#include "preprocess/resize.h"
#include "preprocess/spec.h"
#include "preprocess/taps.h"

namespace photovec::preprocess {

/// EXIF orientations 1..8 as three switches: the viewer's x axis runs along the stored y axis; the viewer's
/// x (y) axis runs against the stored axis that it lies on.
struct Orientation {
  bool transposed = false;
  bool mirrored_x = false;
  bool mirrored_y = false;
};
/// \param exif 1..8.
Orientation ReadOrientation(int exif);

/// One oriented axis of the output: which pixels of the slot it fills, and from what.
struct PlannedAxis {
  AxisKey key;
  int pad = 0;  ///< slot pixels before it that stay 0; the photo fills the next key.out_count
};

struct ResizePlan {
  bool transposed = false;  ///< x lies on the photo's stored rows, y on its columns
  PlannedAxis x;            ///< oriented
  PlannedAxis y;
};

/// What has to be computed for this photo, in either mode (kSquash ignores the filter and the box).
/// Errors: kInternal naming the contradiction.
Result<ResizePlan> MakeResizePlan(const DecodedPhoto& photo, const Spec& spec);

}  // namespace photovec::preprocess
