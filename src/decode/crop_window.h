// SPDX-License-Identifier: MIT
#pragma once

#include "decode/header_probe.h"
#include "decode/pixel_decoder.h"
#include "preprocess/spec.h"

namespace photovec::decode {

/// Which part of the decoded (stored, 1/scale_denominator) image preprocessing can look at: what the centre
/// crop keeps, plus what the resize filter reaches beyond it. From above; the whole image when the spec keeps
/// it all.
PixelWindow CropWindow(const ImageHeader& header, int scale_denominator, const preprocess::Spec& spec);

}  // namespace photovec::decode
