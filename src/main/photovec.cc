// SPDX-License-Identifier: MIT
#include "base/environment.h"
#include "cli/cli.h"
#include "commands/commands.h"

int main(int argc, char** argv) {
  return photovec::cli::RunCli({argv + 1, argv + argc}, photovec::commands::AllCommands(),
                               photovec::ProcessEnvironment());
}
