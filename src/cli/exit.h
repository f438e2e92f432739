// SPDX-License-Identifier: MIT
#pragma once

#include "base/status.h"

namespace photovec::cli {

/// Prints "photovec: MESSAGE" to stderr, whatever the log level, and returns kExitFailure.
int ReportFailure(const Status& status);
/// The same for what the user can put right on the command line; returns kExitUsage.
int ReportUsage(const Status& status);

/// Ends the process without destructors and exit handlers, which a broken or hanging GPU may never return
/// from. What was printed and logged is written. Before it, close what keeps lines or temporary files of its
/// own.
[[noreturn]] void ExitAtOnce(int code);

}  // namespace photovec::cli
