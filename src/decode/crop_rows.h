// SPDX-License-Identifier: MIT
#pragma once

#include "decode/header_probe.h"
#include "preprocess/spec.h"

namespace photovec::decode {

/// How many rows of the decoded (stored, 1/scale_denominator) image preprocessing can look at, counted from
/// the top: everything above the lower border of the centre crop, plus what the resize filter reaches beyond
/// it. An upper bound; the whole height when the spec keeps all rows.
int RowsForCrop(const ImageHeader& header, int scale_denominator, const preprocess::Spec& spec);

}  // namespace photovec::decode
