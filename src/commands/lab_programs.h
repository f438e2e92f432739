// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/cli.h"

/// What `photovec` knows of photovec-lab, the program of the same tree that holds the benchmarks, experiments
/// and the simulated object store: how its commands are called, which settings they have, and where it is.
namespace photovec::commands {

/// Its commands as `photovec --help` lists them, and with their settings, so that a config file and the
/// environment are checked as a whole. They are never run: StartLab() comes first.
std::vector<std::unique_ptr<cli::Command>> LabEntries();

/// Where `name` must be: beside the program that runs. Errors: kNotFound saying how to get it there.
Result<std::string> ProgramBeside(const std::string& name);

/// Turns this process into photovec-lab when the command line asks for one of its commands: process id,
/// signals, files and exit code are then that program's.
/// \param argv of main().
/// \return nothing when it asks for something else; the exit code when the program could not be started.
std::optional<int> StartLab(char** argv);

}  // namespace photovec::commands
