// SPDX-License-Identifier: MIT
#include "base/vectors.h"

#include <cmath>
#include <cstddef>

namespace photovec {

bool NormalizeL2(std::span<float> vector) {
  double squares = 0;
  for (const float value : vector) squares += static_cast<double>(value) * static_cast<double>(value);
  if (squares == 0.0) return false;
  const double scale = 1.0 / std::sqrt(squares);
  for (float& value : vector) value = static_cast<float>(static_cast<double>(value) * scale);
  return true;
}

std::string NpyHeader(int64_t rows, int64_t columns) {
  constexpr size_t kHeaderBytes = 128;  // a multiple of 64; two 20-digit numbers fit
  constexpr size_t kPrefix = 10;        // magic, version, length of the rest
  constexpr size_t kRest = kHeaderBytes - kPrefix;
  std::string header("\x93NUMPY\x01\x00", 8);
  header += static_cast<char>(kRest & 0xff);
  header += static_cast<char>(kRest >> 8);
  header += "{'descr': '<f4', 'fortran_order': False, 'shape': (" + std::to_string(rows) + ", " +
            std::to_string(columns) + "), }";
  header.resize(kHeaderBytes - 1, ' ');
  header += '\n';
  return header;
}

}  // namespace photovec
