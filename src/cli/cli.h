// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/environment.h"
#include "base/log.h"
#include "cli/flag_set.h"

namespace photovec::cli {

/// One subcommand. Made, declared, given its settings, run once, all on the main thread.
class Command {
 public:
  virtual ~Command() = default;

  virtual std::string path() const = 0;     ///< "serve", "bench.pipeline": words separated by dots
  virtual std::string summary() const = 0;  ///< one sentence for --help
  /// Binds settings to members of this object, whose present values are the defaults.
  virtual void Declare(FlagSet& flags) = 0;
  virtual LogLevel default_log_level() const { return LogLevel::kInfo; }
  /// Does the work; returns the exit code (exit.h). Errors are logged or printed to stderr here.
  virtual int Run() = 0;
};

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
