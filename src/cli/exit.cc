// SPDX-License-Identifier: MIT
#include "cli/exit.h"

#include <cstdio>
#include <cstdlib>

#include "base/log.h"

namespace photovec::cli {

int ReportFailure(const Status& status) {
  std::fprintf(stderr, "photovec: %s\n", status.message().c_str());
  return kExitFailure;
}

int ReportUsage(const Status& status) {
  std::fprintf(stderr, "photovec: %s\n", status.message().c_str());
  return kExitUsage;
}

void ExitAtOnce(int code) {
  log::Flush();
  std::fflush(nullptr);
  std::_Exit(code);
}

}  // namespace photovec::cli
