// SPDX-License-Identifier: MIT
#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace photovec {

void CheckFailed(const char* file, int line, std::string_view what) {
  std::fprintf(stderr, "photovec: a bug: %.*s (%s:%d)\n", static_cast<int>(what.size()), what.data(), file,
               line);
  std::abort();
}

}  // namespace photovec
