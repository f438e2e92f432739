// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "commands/command.h"

namespace photovec::commands {

std::unique_ptr<Command> MakeExperimentCommand();

}  // namespace photovec::commands
