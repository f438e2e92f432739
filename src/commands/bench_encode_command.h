// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "commands/bench_encode.h"
#include "commands/command.h"

namespace photovec::commands {

/// `photovec bench encode`: options and output around RunBenchEncode.
std::unique_ptr<Command> MakeBenchEncodeCommand();

/// "2x1" to two streams of one thread. Errors: kInvalidRequest.
Result<BenchLayout> ParseLayout(const std::string& text);

}  // namespace photovec::commands
