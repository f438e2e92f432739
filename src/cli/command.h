// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>

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
  virtual std::string default_log_level() const { return "info"; }
  /// Does the work; returns the exit code (exit_codes.h). Errors are logged or printed to stderr here.
  virtual int Run() = 0;
};

}  // namespace photovec::cli
