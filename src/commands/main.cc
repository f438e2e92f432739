// SPDX-License-Identifier: MIT
#include "commands/cli.h"

int main(int argc, char** argv) {
  using namespace photovec::commands;  // NOLINT(google-build-using-namespace): this is all there is
  return RunCli({argv + 1, argv + argc}, AllCommands(), ProcessEnvironment());
}
