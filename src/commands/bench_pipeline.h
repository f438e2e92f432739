// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "commands/command.h"

namespace photovec::commands {

/// `photovec bench pipeline`: how much of what the machine could do the pipeline (and the HTTP server on top)
/// really does. Decoding and encoding share the CPUs, so the bound is 1 / (1/decode + 1/encode).
std::unique_ptr<Command> MakeBenchPipelineCommand();

}  // namespace photovec::commands
