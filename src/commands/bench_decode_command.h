// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "commands/command.h"

namespace photovec::commands {

/// `photovec bench decode --images DIR`: options and output around RunBenchDecode.
std::unique_ptr<Command> MakeBenchDecodeCommand();

}  // namespace photovec::commands
