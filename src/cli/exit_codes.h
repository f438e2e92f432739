// SPDX-License-Identifier: MIT
#pragma once

namespace photovec::cli {

/// What the process tells its caller. Documented in docs/operations.md; scripts depend on the numbers.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailure = 1;        ///< it could not do what it was asked
inline constexpr int kExitUsage = 2;          ///< wrong flags, environment or config file
inline constexpr int kExitSomeFailed = 3;     ///< embed: some images failed; experiment: some runs failed
inline constexpr int kExitRegressed = 4;      ///< compare: a stage became worse by more than the threshold
inline constexpr int kExitDeviceFailed = 70;  ///< the compute device failed; restart the process

}  // namespace photovec::cli
