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
/// `photovec experiment`: servers that differ in one option, under load, side by side.
std::unique_ptr<cli::Command> MakeExperimentCommand();
/// `photovec compare A.json B.json`: what changed between two experiments; kExitRegressed when something
/// became worse by more than the threshold.
std::unique_ptr<cli::Command> MakeCompareCommand();
/// `photovec object-store --root DIR`: a store of photos with the latency of a remote one, until SIGTERM or
/// SIGINT.
std::unique_ptr<cli::Command> MakeObjectStoreCommand();
/// `photovec bench encode`: options and output around bench/encode.h and bench/cuda.h.
std::unique_ptr<cli::Command> MakeBenchEncodeCommand();
/// `photovec bench decode --images DIR`: options and output around bench/decode.h.
std::unique_ptr<cli::Command> MakeBenchDecodeCommand();
/// `photovec bench pipeline`: how much of what the machine could do the pipeline (and the HTTP server on top)
/// really does. Decoding and encoding share the CPUs, so the bound is 1 / (1/decode + 1/encode).
std::unique_ptr<cli::Command> MakeBenchPipelineCommand();
/// `photovec init-model PRESET DIR`.
std::unique_ptr<cli::Command> MakeInitModelCommand();
/// `photovec doctor`: what this machine has, which defaults follow from it, what is missing; with --model
/// also whether that folder loads and runs.
std::unique_ptr<cli::Command> MakeDoctorCommand();

/// All commands, in the order of --help.
std::vector<std::unique_ptr<cli::Command>> AllCommands();

}  // namespace photovec::commands
