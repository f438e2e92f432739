// SPDX-License-Identifier: MIT
#include "base/environment.h"
#include "cli/cli.h"
#include "commands/commands.h"
#include "commands/lab_programs.h"

int main(int argc, char** argv) {
  if (const auto code = photovec::commands::StartLab(argv)) return *code;
  return photovec::cli::RunCli({argv + 1, argv + argc}, photovec::commands::AllCommands(),
                               photovec::ProcessEnvironment());
}
