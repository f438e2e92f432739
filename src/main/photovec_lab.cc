// SPDX-License-Identifier: MIT
#include <filesystem>

#include "base/environment.h"
#include "cli/cli.h"
#include "commands/commands.h"
#include "commands/lab/commands.h"

int main(int argc, char** argv) {
  photovec::cli::Program program;
  program.name = std::filesystem::path(argv[0]).filename();  // "photovec" when that has started it
  program.description = "photovec-lab measures photovec";
  program.others = photovec::commands::AllCommands();
  return photovec::cli::RunCli({argv + 1, argv + argc}, photovec::commands::LabCommands(),
                               photovec::ProcessEnvironment(), program);
}
