// SPDX-License-Identifier: MIT
#include "cli/exit.h"

#include <cstdio>
#include <cstdlib>

#include "base/log.h"

namespace photovec::cli {

int ReportFailure(const Status& status) {
  log::Plain("photovec: " + status.message());
  log::Flush();
  return kExitFailure;
}

int ReportUsage(const Status& status) {
  log::Plain("photovec: " + status.message());
  log::Flush();
  return kExitUsage;
}

void ExitAtOnce(int code) {
  log::Flush();
  std::fflush(nullptr);
  std::_Exit(code);
}

}  // namespace photovec::cli
