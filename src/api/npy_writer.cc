// SPDX-License-Identifier: MIT
#include "api/npy_writer.h"

#include <string_view>

namespace photovec::api {

std::string NpyHeader(size_t rows, size_t columns) {
  constexpr std::string_view kMagic("\x93NUMPY\x01\x00", 8);
  std::string dict = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + std::to_string(rows) + ", " +
                     std::to_string(columns) + "), }";
  const size_t unpadded = kMagic.size() + 2 + dict.size() + 1;
  dict.append((64 - unpadded % 64) % 64, ' ');
  dict += '\n';

  std::string out(kMagic);
  out += static_cast<char>(dict.size() & 0xFF);
  out += static_cast<char>(dict.size() >> 8);
  return out += dict;
}

}  // namespace photovec::api
