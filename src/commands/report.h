// SPDX-License-Identifier: MIT
#pragma once

#include "base/status.h"

namespace photovec::commands {

/// Prints "photovec: MESSAGE" to stderr, whatever the log level, and returns kExitFailure.
int ReportFailure(const Status& status);
/// The same for what the user can put right on the command line; returns kExitUsage.
int ReportUsage(const Status& status);

}  // namespace photovec::commands
