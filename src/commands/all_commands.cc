// SPDX-License-Identifier: MIT
#include "commands/commands.h"

namespace photovec::commands {

std::vector<std::unique_ptr<cli::Command>> AllCommands() {
  std::vector<std::unique_ptr<cli::Command>> commands;
  commands.push_back(MakeServeCommand());
  commands.push_back(MakeEmbedCommand());
  commands.push_back(MakeExperimentCommand());
  commands.push_back(MakeCompareCommand());
  commands.push_back(MakeObjectStoreCommand());
  commands.push_back(MakeBenchEncodeCommand());
  commands.push_back(MakeBenchDecodeCommand());
  commands.push_back(MakeBenchPipelineCommand());
  commands.push_back(MakeInitModelCommand());
  commands.push_back(MakeDoctorCommand());
  return commands;
}

}  // namespace photovec::commands
