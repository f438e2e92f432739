// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace photovec {

/// Says on stderr what was violated and where, then aborts. Not for errors that data can cause: those are a
/// Status.
[[noreturn]] void CheckFailed(const char* file, int line, std::string_view what);

}  // namespace photovec

/// Stops the process when `condition`, which only a bug can make false, does not hold. Compiled into every
/// preset but release (NDEBUG); there it is not evaluated.
#ifdef NDEBUG
#define PHOTOVEC_CHECK(condition, what) \
  do {                                  \
    (void)sizeof(condition);            \
  } while (false)
#else
#define PHOTOVEC_CHECK(condition, what)                                  \
  do {                                                                   \
    if (!(condition)) ::photovec::CheckFailed(__FILE__, __LINE__, what); \
  } while (false)
#endif
