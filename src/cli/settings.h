// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "base/environment.h"
#include "base/status.h"
#include "cli/config_file.h"
#include "cli/flag_set.h"

namespace photovec::cli {

/// A command and what it can be told.
struct CommandFlags {
  std::string path;  ///< "serve", "bench.pipeline"
  FlagSet* flags = nullptr;
};

/// Gives every setting of `command` its value: command line, else environment, else config file (its own
/// section before an outer one before the top), else what the variable held. A list in the environment is
/// separated by commas.
/// Errors: kInvalidRequest naming the flag, the variable or the file's line.
Status ApplySettings(CommandFlags command, const EnvironmentLookup& environment, const ConfigFile& config);

/// Every key of the file must be a setting of a command that its section applies to, with a fitting type.
/// Errors: kInvalidRequest as "PATH:LINE: ...", naming the nearest known key.
Status CheckConfig(const ConfigFile& config, const std::vector<CommandFlags>& commands);

/// One line for each PHOTOVEC_* name in `names` that no command knows but that is close to one it does: a
/// typing error. Other names are left alone, since scripts may use the prefix too.
std::vector<std::string> UnknownEnvironment(const std::vector<std::string>& names,
                                            const std::vector<CommandFlags>& commands);

}  // namespace photovec::cli
