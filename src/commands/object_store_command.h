// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "commands/command.h"

namespace photovec::commands {

/// `photovec object-store --root DIR`: a store of photos with the latency of a remote one, until SIGTERM or
/// SIGINT.
std::unique_ptr<Command> MakeObjectStoreCommand();

}  // namespace photovec::commands
