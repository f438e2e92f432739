// SPDX-License-Identifier: MIT
#include "commands/lab/commands.h"

namespace photovec::commands {

std::vector<std::unique_ptr<cli::Command>> LabCommands() {
  std::vector<std::unique_ptr<cli::Command>> commands;
  commands.push_back(MakeExperimentCommand());
  commands.push_back(MakeCompareCommand());
  commands.push_back(MakeObjectStoreCommand());
  commands.push_back(MakeBenchEncodeCommand());
  commands.push_back(MakeBenchDecodeCommand());
  commands.push_back(MakeBenchPipelineCommand());
  return commands;
}

}  // namespace photovec::commands
