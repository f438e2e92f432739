// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <vector>

#include "cli/cli.h"

/// One function per command, each in the file of its name. They hold flags and output; the work is done below
/// commands/.
namespace photovec::commands {

/// `photovec serve`: the HTTP server over one pipeline, until SIGTERM or SIGINT.
std::unique_ptr<cli::Command> MakeServeCommand();
/// `photovec embed DIR|FILES... -o vectors.npy`.
std::unique_ptr<cli::Command> MakeEmbedCommand();
/// `photovec init-model PRESET DIR`.
std::unique_ptr<cli::Command> MakeInitModelCommand();
/// `photovec api-key ID`: a random key to stderr, its line for the file of --api-keys to stdout.
std::unique_ptr<cli::Command> MakeApiKeyCommand();
/// `photovec doctor`: what this machine has, which defaults follow from it, what is missing; with --model
/// also whether that folder loads and runs.
std::unique_ptr<cli::Command> MakeDoctorCommand();

/// `photovec verify MODEL [--images DIR]`: whether a downloaded model gives what it should, and what was
/// compared.
std::unique_ptr<cli::Command> MakeVerifyCommand();

/// All commands of `photovec`, in the order of --help; those that photovec-lab runs (lab_programs.h) as
/// entries.
std::vector<std::unique_ptr<cli::Command>> AllCommands();

}  // namespace photovec::commands
