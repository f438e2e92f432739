// SPDX-License-Identifier: MIT
#pragma once

#include "base/status.h"

namespace photovec::cli {

/// What the process tells its caller. Documented in docs/operations.md; scripts depend on the numbers.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailure = 1;        ///< it could not do what it was asked
inline constexpr int kExitUsage = 2;          ///< wrong flags, environment or config file
inline constexpr int kExitSomeFailed = 3;     ///< embed: some images failed; experiment: some runs failed
inline constexpr int kExitRegressed = 4;      ///< compare: a stage became worse by more than the threshold
inline constexpr int kExitDeviceFailed = 70;  ///< the compute device failed; restart the process

/// Prints "photovec: MESSAGE" to stderr, whatever the log level, and returns kExitFailure.
int ReportFailure(const Status& status);
/// The same for what the user can put right on the command line; returns kExitUsage.
int ReportUsage(const Status& status);

/// Ends the process without destructors and exit handlers, which a broken or hanging GPU may never return
/// from. What was printed and logged is written. Before it, close what keeps lines or temporary files of its
/// own.
[[noreturn]] void ExitAtOnce(int code);

}  // namespace photovec::cli
