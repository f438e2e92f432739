// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "commands/config_file.h"
#include "commands/flag_set.h"

namespace photovec::commands {

/// A command and what it can be told.
struct CommandFlags {
  std::string path;  ///< "serve", "bench.pipeline"
  FlagSet* flags = nullptr;
};

/// Looks an environment variable up; nullopt when it is not set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
Environment ProcessEnvironment();

/// Gives every setting of `command` its value: command line, else environment, else config file (its own
/// section before an outer one before the top), else what the variable held. A list in the environment is
/// separated by commas.
/// Errors: kInvalidRequest naming the flag, the variable or the file's line.
Status ApplySettings(CommandFlags command, const Environment& environment, const ConfigFile& config);

/// Every key of the file must be a setting of a command that its section applies to, with a fitting type.
/// Errors: kInvalidRequest as "PATH:LINE: ...", naming the nearest known key.
Status CheckConfig(const ConfigFile& config, const std::vector<CommandFlags>& commands);

/// One line for each PHOTOVEC_* name in `names` that no command knows but that is close to one it does: a
/// typing error. Other names are left alone, since scripts may use the prefix too.
std::vector<std::string> UnknownEnvironment(const std::vector<std::string>& names,
                                            const std::vector<CommandFlags>& commands);
/// The names of all variables of this process.
std::vector<std::string> EnvironmentNames();

}  // namespace photovec::commands
