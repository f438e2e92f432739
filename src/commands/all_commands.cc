// SPDX-License-Identifier: MIT
#include <iterator>

#include "commands/commands.h"
#include "commands/lab_programs.h"

namespace photovec::commands {

std::vector<std::unique_ptr<cli::Command>> AllCommands() {
  std::vector<std::unique_ptr<cli::Command>> commands;
  commands.push_back(MakeServeCommand());
  commands.push_back(MakeEmbedCommand());
  auto lab = LabEntries();
  std::move(lab.begin(), lab.end(), std::back_inserter(commands));
  commands.push_back(MakeInitModelCommand());
  commands.push_back(MakeApiKeyCommand());
  commands.push_back(MakeDoctorCommand());
  commands.push_back(MakeVerifyCommand());
  return commands;
}

}  // namespace photovec::commands
