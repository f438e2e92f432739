// SPDX-License-Identifier: MIT
#pragma once

#include "decode/formats/libraries.h"

namespace photovec::decode {

/// Opens OpenJPEG, 2.5 or later. Its row is in libraries.cc.
LibrarySupport LoadOpenjpeg();

}  // namespace photovec::decode
