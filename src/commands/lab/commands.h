// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "bench/encode.h"
#include "cli/cli.h"

/// The commands of photovec-lab, which a server does not carry: `photovec` starts that program for them. One
/// function per command, each in the file of its name.
namespace photovec::commands {

/// `photovec experiment`: servers that differ in one option, under load, side by side.
std::unique_ptr<cli::Command> MakeExperimentCommand();
/// `photovec compare A.json B.json`: what changed between two experiments; kExitRegressed when something
/// became worse by more than the threshold.
std::unique_ptr<cli::Command> MakeCompareCommand();
/// `photovec object-store --root DIR`: a store of photos with the latency of a remote one, until SIGTERM or
/// SIGINT.
std::unique_ptr<cli::Command> MakeObjectStoreCommand();
/// `photovec bench encode`: options and output around bench/encode.h and bench/encode_cuda.h.
std::unique_ptr<cli::Command> MakeBenchEncodeCommand();
/// `photovec bench decode --images DIR`: options and output around bench/decode.h, bench/isolation.h and
/// bench/decode_gpu.h.
std::unique_ptr<cli::Command> MakeBenchDecodeCommand();
/// `photovec bench pipeline`: how much of what the machine could do the pipeline (and the HTTP server on top)
/// really does. Decoding and encoding share the CPUs, so the bound is 1 / (1/decode + 1/encode).
std::unique_ptr<cli::Command> MakeBenchPipelineCommand();
/// All commands of photovec-lab, in the order of --help.
std::vector<std::unique_ptr<cli::Command>> LabCommands();

/// Values of flags that have a form of their own.
/// "2x1" to two streams of one thread. Errors: kInvalidRequest.
Result<bench::BenchLayout> ParseLayout(const std::string& text);
/// "10%" or "0.1" to 0.1. Errors: kInvalidRequest saying what is accepted.
Result<double> ParseShare(std::string_view text);

}  // namespace photovec::commands
