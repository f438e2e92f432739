// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/settings.h"

namespace photovec::cli {

/// Parses the command line, merges environment and config file, runs the chosen command.
/// Help and version go to stdout, complaints to stderr. Returns the exit code; never throws.
/// \param args without the program's name.
int RunCli(std::vector<std::string> args, const std::vector<std::unique_ptr<Command>>& commands,
           const EnvironmentLookup& environment);

}  // namespace photovec::cli
