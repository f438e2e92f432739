// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/settings.h"

namespace photovec::cli {

/// One of several programs that share config files and environment.
struct Program {
  std::string name = "photovec";
  std::string description = "photovec turns photos into embedding vectors";
  /// Commands of the others: not offered, but a config file may hold their settings, too.
  std::vector<std::unique_ptr<Command>> others;
};

/// Parses the command line, merges environment and config file, runs the chosen command.
/// Help and version go to stdout, complaints to stderr. Returns the exit code; never throws.
/// \param args without the program's name.
int RunCli(std::vector<std::string> args, const std::vector<std::unique_ptr<Command>>& commands,
           const EnvironmentLookup& environment, const Program& program = {});

}  // namespace photovec::cli
