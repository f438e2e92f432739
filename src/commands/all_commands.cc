// SPDX-License-Identifier: MIT
#include "commands/command.h"

namespace photovec::commands {

std::vector<std::unique_ptr<Command>> AllCommands() {
  std::vector<std::unique_ptr<Command>> commands;
  return commands;
}

}  // namespace photovec::commands
