// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "commands/command.h"

namespace photovec::commands {

/// `photovec serve`: the HTTP server over one pipeline, until SIGTERM or SIGINT.
std::unique_ptr<Command> MakeServeCommand();

}  // namespace photovec::commands
