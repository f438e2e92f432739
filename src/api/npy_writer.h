// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>

namespace photovec::api {

/// The header of a NumPy file (format 1.0) for a little-endian f32 array in C order: rows*columns floats must
/// follow. Its size is a multiple of 64. Source: numpy/lib/format.py.
std::string NpyHeader(size_t rows, size_t columns);

}  // namespace photovec::api
