// SPDX-License-Identifier: MIT
#include "base/npy.h"

#include <cstddef>

namespace photovec {

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
