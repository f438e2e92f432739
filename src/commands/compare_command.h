// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string_view>

#include "base/result.h"
#include "commands/command.h"

namespace photovec::commands {

/// `photovec compare A.json B.json`: what changed between two experiments; kExitRegressed when something
/// became worse by more than the threshold.
std::unique_ptr<Command> MakeCompareCommand();

/// "10%" or "0.1" to 0.1. Errors: kInvalidRequest saying what is accepted.
Result<double> ParseShare(std::string_view text);

}  // namespace photovec::commands
