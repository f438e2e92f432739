// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "commands/command.h"

namespace photovec::commands {

/// `photovec embed DIR|FILES... -o vectors.npy`.
std::unique_ptr<Command> MakeEmbedCommand();

}  // namespace photovec::commands
