// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace photovec {

/// Scales `vector` to length 1, in doubles: 768 squares in float lose up to 4 digits of the norm. False, and
/// nothing is changed, when it has no direction: all zeros.
bool NormalizeL2(std::span<float> vector);

/// The header of a NumPy file (format 1.0) for a little-endian f32 array in C order: rows*columns floats must
/// follow. Always 128 bytes, so that it can be written again once the rows are counted. Source:
/// numpy/lib/format.py, "Format Version 1.0".
std::string NpyHeader(int64_t rows, int64_t columns);

}  // namespace photovec
