// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "commands/command.h"
#include "commands/settings.h"

namespace photovec::commands {

/// Parses the command line, merges environment and config file, runs the chosen command.
/// Help and version go to stdout, complaints to stderr. Returns the exit code; never throws.
/// \param args without the program's name.
int RunCli(std::vector<std::string> args, const std::vector<std::unique_ptr<Command>>& commands,
           const Environment& environment);

}  // namespace photovec::commands
