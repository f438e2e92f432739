// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "decode/formats/heif/plan.h"

namespace photovec::decode {

/// A HEIF file of one coded picture and nothing else: what libheif is given instead of a stranger's boxes.
///
/// Its `colr` says that the picture's three planes are green, blue and red in full range (matrix 0). libheif
/// before 1.16 gives colour as RGB only, and this makes that conversion a copy: the planes come out as they
/// are coded. HEVC data whose NAL units have lengths of 1 or 2 bytes get 4, which libheif takes for granted;
/// AV1 data are told to decode the layers that the node names. Takes the memory of the data once more.
/// \param node of the kind kCoded.
std::vector<uint8_t> MakeStillFile(const HeifNode& node);

}  // namespace photovec::decode
