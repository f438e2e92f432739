// SPDX-License-Identifier: MIT
#pragma once

#include "decode/formats/libraries.h"

namespace photovec::decode {

/// Opens libjxl, 0.7 to 0.11. Its row is in libraries.cc.
LibrarySupport LoadLibjxl();

}  // namespace photovec::decode
